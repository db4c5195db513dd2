/*
 * hnswlib behind a C interface, for ctypes: one thread, one query at a time.
 *
 * Built by bench/run.sh from Debian's headers with -O3 -march=native, because
 * the Python module that Debian ships is compiled for SSE alone.
 */
#include <cstddef>
#include <cstdint>
#include <hnswlib/hnswlib.h>

using Index = hnswlib::HierarchicalNSW<float>;

struct Graph
{
	hnswlib::SpaceInterface<float> *space;
	Index	   *index;
};

static hnswlib::SpaceInterface<float> *
make_space(int dimensions, int inner_product)
{
	if (inner_product)
		return new hnswlib::InnerProductSpace(dimensions);
	return new hnswlib::L2Space(dimensions);
}

extern "C"
{

/* What the compiler was allowed to use; hnswlib chooses its kernels by these. */
const char *
graph_simd()
{
#if defined(__AVX512F__)
	return "AVX-512";
#elif defined(__AVX__)
	return "AVX";
#else
	return "SSE";
#endif
}

Graph *
graph_new(int dimensions, int inner_product, size_t rows, size_t m,
		  size_t ef_construction)
{
	Graph	   *graph = new Graph;

	graph->space = make_space(dimensions, inner_product);
	graph->index = new Index(graph->space, rows, m, ef_construction);
	return graph;
}

Graph *
graph_load(int dimensions, int inner_product, const char *path)
{
	Graph	   *graph = new Graph;

	graph->space = make_space(dimensions, inner_product);
	graph->index = new Index(graph->space, path);
	return graph;
}

void
graph_save(Graph *graph, const char *path)
{
	graph->index->saveIndex(path);
}

void
graph_free(Graph *graph)
{
	delete graph->index;
	delete graph->space;
	delete graph;
}

void
graph_add(Graph *graph, const float *rows, size_t count, size_t dimensions,
		  size_t first_label)
{
	for (size_t i = 0; i < count; i++)
		graph->index->addPoint(rows + i * dimensions, first_label + i);
}

/* The k nearest labels, nearest first; returns how many were found. */
size_t
graph_search(Graph *graph, const float *query, size_t k, size_t ef,
			 int64_t *labels)
{
	graph->index->setEf(ef);
	auto		found = graph->index->searchKnn(query, k);
	size_t		count = found.size();

	for (size_t i = count; i-- > 0; found.pop())
		labels[i] = (int64_t) found.top().second;
	return count;
}

}
