/*-------------------------------------------------------------------------
 *
 * metric.h
 *	  Metrics whose index codes live in the rotated Euclidean space.
 *
 *-------------------------------------------------------------------------
 */
#ifndef VECAM_METRIC_H
#define VECAM_METRIC_H

/* The values are on disk: never renumber. */
typedef enum VecamMetric
{
	VECAM_METRIC_L2 = 0,		/* |x - q| */
	VECAM_METRIC_COSINE = 1,	/* 1 - <x, q> / (|x| |q|) */
	VECAM_METRIC_IP = 2,		/* -<x, q> */
} VecamMetric;

#endif							/* VECAM_METRIC_H */
