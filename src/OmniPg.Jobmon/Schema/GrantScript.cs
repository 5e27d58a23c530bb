namespace OmniPg.Jobmon;

/// <summary>The least rights for each kind of access, as SQL.</summary>
internal static class GrantScript
{
    private const string Read =
        """
        GRANT USAGE ON SCHEMA @schema@, @side@ TO @role@;
        GRANT SELECT ON @schema@.job_log, @schema@.job_detail, @schema@.job_check_log, @schema@.job_check_config, @schema@.job_status_text TO @role@;
        GRANT SELECT ON @side@.schema_version, @side@.session, @side@.run, @side@.step, @side@.log_line, @side@.check_rule, @side@.acknowledgement TO @role@;

        """;

    private const string Write =
        """
        GRANT INSERT, UPDATE ON @schema@.job_log, @schema@.job_detail TO @role@;
        GRANT USAGE ON SEQUENCE @schema@.job_log_job_id_seq, @schema@.job_detail_step_id_seq TO @role@;
        GRANT INSERT, UPDATE ON @side@.session, @side@.run, @side@.step TO @role@;
        GRANT INSERT ON @side@.log_line TO @role@;

        """;

    // In the extension the triggers write the check log with the rights of whoever logs.
    private const string WriteThroughTriggers = "GRANT INSERT, DELETE ON @schema@.job_check_log TO @role@;\n";

    private const string Manage =
        """
        GRANT DELETE ON @schema@.job_log TO @role@;
        GRANT INSERT, UPDATE, DELETE ON @schema@.job_check_log, @schema@.job_check_config, @schema@.job_status_text TO @role@;
        GRANT DELETE ON @side@.session, @side@.run, @side@.step, @side@.log_line TO @role@;
        GRANT INSERT, UPDATE, DELETE ON @side@.check_rule TO @role@;
        GRANT INSERT ON @side@.acknowledgement TO @role@;

        """;

    public static string For(PgIdentifier role, JobmonAccess access, PgIdentifier schema, PgIdentifier side)
    {
        var script = access switch
        {
            JobmonAccess.Read => Read,
            JobmonAccess.Write => Read + Write + WriteThroughTriggers,
            JobmonAccess.Manage => Read + Write + Manage,
            _ => throw new ArgumentOutOfRangeException(nameof(access), access, "Access is Read, Write or Manage."),
        };
        return SqlTemplate.Render(script, schema, side, withSide: true, ("@role@", role.Quoted));
    }
}
