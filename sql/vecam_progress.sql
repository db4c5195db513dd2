-- the view of maintenance under way; test/t/041_progress.pl looks while there is some
SELECT a.attname, format_type(a.atttypid, a.atttypmod)
FROM pg_attribute a WHERE a.attrelid = 'vecam_progress'::regclass AND a.attnum > 0
ORDER BY a.attnum;
SELECT * FROM vecam_progress WHERE datid = (SELECT oid FROM pg_database WHERE datname = current_database());

-- what phases are called
SELECT n, pg_indexam_progress_phasename(a.oid, n) AS phase
FROM pg_am a, generate_series(-1, 60) n
WHERE a.amname = 'vecam' AND pg_indexam_progress_phasename(a.oid, n) IS NOT NULL
ORDER BY n;

-- everybody may look
CREATE ROLE vecam_progress_other;
SET ROLE vecam_progress_other;
SELECT * FROM vecam_progress WHERE pid = pg_backend_pid();
RESET ROLE;
DROP ROLE vecam_progress_other;

-- a command leaves nothing behind, be its end an error or not
CREATE TABLE p (id int, v vector(4));
INSERT INTO p SELECT i, test_vector(i, 4) FROM generate_series(1, 300) i;
CREATE INDEX p_v ON p USING vecam (v) WITH (kind = hnsw);
INSERT INTO p SELECT i, test_vector(i, 4) FROM generate_series(301, 400) i;
DELETE FROM p WHERE id % 2 = 0;
VACUUM p;
SELECT vecam_seal('p_v') > 0 AS sealed;
SELECT nodes_moved >= 0 AS compacted FROM vecam_compact('p_v');
SELECT * FROM vecam_check('p_v', true);
REINDEX INDEX p_v;
DO $$
BEGIN
	PERFORM vecam_restore('p_v', 'p', 'id', 'v');
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE '%', SQLERRM;
	PERFORM vecam_seal('p_v');
END $$;
SELECT pg_stat_clear_snapshot();
SELECT * FROM vecam_progress WHERE pid = pg_backend_pid();
SELECT pid FROM pg_stat_progress_create_index WHERE pid = pg_backend_pid();
DROP TABLE p;
