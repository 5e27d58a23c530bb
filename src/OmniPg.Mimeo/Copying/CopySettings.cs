using System.Globalization;

namespace OmniPg.Mimeo;

/// <summary>What both ends of a copy have to agree on, for the length of their transactions; and that a commit is durable before the other side forgets.</summary>
internal static class CopySettings
{
    // $1 longest wait for a lock in ms.
    private const string Sql =
        """
        SELECT pg_catalog.set_config('lock_timeout', $1, true), pg_catalog.set_config('client_encoding', 'UTF8', true), pg_catalog.set_config('DateStyle', 'ISO, YMD', true),
            pg_catalog.set_config('IntervalStyle', 'postgres', true), pg_catalog.set_config('extra_float_digits', '3', true), pg_catalog.set_config('bytea_output', 'hex', true),
            pg_catalog.set_config('lc_monetary', 'C', true), pg_catalog.set_config('statement_timeout', '0', true),
            pg_catalog.set_config('idle_in_transaction_session_timeout', '0', true), pg_catalog.set_config('synchronous_commit',
                CASE pg_catalog.current_setting('synchronous_commit') WHEN 'off' THEN 'local' ELSE pg_catalog.current_setting('synchronous_commit') END, true)
        """;

    /// <summary>Brings a transaction of a copy, on either side, to the settings of both.</summary>
    public static Task AgreeAsync(PgSession session, TimeSpan lockTimeout) =>
        session.ScalarAsync(Sql, PgParameter.Text(((long)lockTimeout.TotalMilliseconds).ToString(CultureInfo.InvariantCulture)));
}
