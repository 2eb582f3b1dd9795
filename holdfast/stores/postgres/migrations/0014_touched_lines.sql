-- Lines of queued tasks in which there may be room for somebody: whoever claims next looks at them. A line may be here
-- several times: whoever touches one waits for nobody.

CREATE TABLE touched_lines (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  line text COLLATE "C" NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
