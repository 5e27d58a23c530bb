namespace OmniPg.Jobmon;

/// <summary>Statements about the session itself.</summary>
internal static class OwnConnectionsSql
{
    // $1 limit of a statement in ms; returns the server's time. The limit of a lock is the shorter one, so that the error names the lock.
    public const string PrepareSession =
        """
        SELECT clock_timestamp()
        FROM (SELECT count(set_config(s.name, v.setting, false))
              FROM pg_catalog.pg_settings s
              JOIN (VALUES ('search_path', 'pg_catalog, pg_temp'), ('statement_timeout', $1), ('lock_timeout', ($1::bigint * 9 / 10)::text),
                           ('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'), ('transaction_timeout', '0'),
                           ('default_transaction_read_only', 'off'), ('default_transaction_isolation', 'read committed'),
                           ('default_transaction_deferrable', 'off')) AS v (name, setting) USING (name)) AS done (n)
        WHERE n > 0
        """;

    /// <summary>Is the server there and writable, and what time is it?</summary>
    public const string Probe = "SELECT clock_timestamp(), pg_is_in_recovery()";
}
