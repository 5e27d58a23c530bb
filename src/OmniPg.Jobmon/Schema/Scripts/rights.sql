-- A definer function is a right, and so is a trigger function, which anybody could hang on a table of his own: none is for everybody. One
-- that PUBLIC can still execute is new, or of a version that left all to PUBLIC: roles that had the rights on the tables keep the functions.
DO $omnipg$
DECLARE
    v_function record;
    v_role     name;
BEGIN
    FOR v_function IN SELECT f.name::regprocedure AS name, f.privilege FROM (
        SELECT '@which.literal@.' || v.signature, v.privilege FROM (VALUES
        @functions@) AS v (signature, privilege)) AS f (name, privilege)
    WHERE has_function_privilege('public', f.name, 'EXECUTE')
    LOOP
        FOR v_role IN
            SELECT DISTINCT r.rolname FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
            WHERE c.oid = '@which.literal@.@table@'::regclass AND a.privilege_type = v_function.privilege AND a.grantee <> c.relowner
        LOOP
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', v_function.name, v_role);
        END LOOP;
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function.name);
    END LOOP;
END
$omnipg$;
