CREATE FUNCTION app.atomic_one() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM app.usual_heap; END;

CREATE FUNCTION app.atomic_several(n integer) RETURNS SETOF integer LANGUAGE sql BEGIN ATOMIC
    INSERT INTO app.usual_heap VALUES (n);
    UPDATE app.usual_heap SET id = id + 1 WHERE id = n;
    SELECT id FROM app.usual_heap ORDER BY id;
END;

CREATE FUNCTION app.atomic_case(n integer) RETURNS text LANGUAGE sql BEGIN ATOMIC
    SELECT CASE WHEN n > 0 THEN CASE n WHEN 1 THEN 'one; END' ELSE 'more' END ELSE 'none' END;
    SELECT CASE WHEN n > 0 THEN 'end' END;
END;

CREATE FUNCTION app.atomic_defaults(a integer DEFAULT 1, b text DEFAULT 'x;y') RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT a || b; END;

CREATE PROCEDURE app.atomic_procedure(n integer) LANGUAGE sql BEGIN ATOMIC INSERT INTO app.usual_heap VALUES (n); DELETE FROM app.usual_heap WHERE id = n; END;
