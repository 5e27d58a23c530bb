using System.Globalization;

namespace OmniPg.Jobmon;

/// <summary>
/// The texts that install the job log: the SDK's own tables and functions, and the side schema. Every statement may run again on an
/// installed schema and changes nothing there. The same texts upgrade an older version: what a version adds must be added by a statement
/// of its own where it is missing (<c>ADD COLUMN IF NOT EXISTS</c>), for <c>CREATE TABLE IF NOT EXISTS</c> passes by a table that exists.
/// </summary>
internal static class JobmonSchemaScript
{
    // Conditions that mean "dblink did not reach the server", after which the caller's transaction takes the record.
    private const string LostDblink =
        "sqlclient_unable_to_establish_sqlconnection OR connection_exception OR connection_does_not_exist OR connection_failure OR "
        + "SQLSTATE '2F003' OR undefined_function OR invalid_schema_name OR insufficient_privilege";

    private const string CreateSchema =
        """
        DO $omnipg$
        BEGIN
            -- CREATE SCHEMA IF NOT EXISTS asks for the right to create one even where it exists already.
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = '@NAME.name.literal@') THEN
                CREATE SCHEMA @NAME@;
            END IF;
        END
        $omnipg$;

        """;

    // In this order: a function in language sql is checked against the objects it names when it is created.
    private static readonly string[] OwnParts =
    [
        "own-tables.sql", "own-texts.sql", "own-live.sql", "own-triggers.sql", "own-write.sql", "own-autonomy.sql", "own-log.sql",
        "own-run.sql", "own-show.sql", "own-check.sql", "own-manage.sql",
    ];

    // Last: it takes from PUBLIC what every new function begins with. The transaction is not committed before it.
    private const string Rights = "rights.sql";

    private static readonly string[] SideParts = ["side-tables.sql", "side-functions.sql"];

    /// <summary>
    /// Lets two installers follow each other, and reads strings as these texts write them, whatever the database is set to. Part of the
    /// installation's transaction.
    /// </summary>
    public const string Begin = "SET LOCAL standard_conforming_strings = on;\nSELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('omnipg_jobmon.install', 0));\n";

    /// <summary>Guard, tables, functions and triggers of own mode.</summary>
    public static string Own(PgIdentifier schema, PgIdentifier side) => Fill("guard.sql", "schema", OwnParts, schema, side);

    /// <summary>Guard, tables and functions beside the log in <paramref name="schema"/>, whichever mode that is.</summary>
    public static string Side(PgIdentifier schema, PgIdentifier side) => Fill("guard-side.sql", "side", SideParts, schema, side);

    /// <summary>The same without the guard: takes over a side schema that belonged to another log.</summary>
    public static string TakeOverSide(PgIdentifier schema, PgIdentifier side) => Fill(null, "side", SideParts, schema, side);

    /// <summary>Policies that let <paramref name="readerRole"/> see every run and others only their own.</summary>
    public static string Visibility(PgIdentifier schema, PgIdentifier side, PgIdentifier readerRole) => SqlTemplate.Render(
        EmbeddedSql.Read("own-visibility.sql"), schema, side, true,
        ("@reader.name.literal@", readerRole.Value.Replace("'", "''", StringComparison.Ordinal)));

    /// <summary>The check as one read-only statement; <paramref name="history"/> and <paramref name="deadAfter"/> are interval expressions.</summary>
    public static string Check(JobmonServer server, string history, string deadAfter) => SqlTemplate.Render(
        EmbeddedSql.Read("check-rows.sql"), server.Schema, server.SideSchema, server.HasSide, ("@history@", history), ("@dead.after@", deadAfter));

    private static string Fill(string? guard, string which, string[] parts, PgIdentifier schema, PgIdentifier side)
    {
        var check = EmbeddedSql.Read("check-rows.sql");
        var template = (guard is null ? "" : EmbeddedSql.Read(guard)) + CreateSchema.Replace("NAME", which, StringComparison.Ordinal) + string.Join('\n', parts.Append(Rights).Select(EmbeddedSql.Read));
        var isSide = which == "side";
        var whole = template
            .Replace("@functions@", JobmonRights.FunctionRows(isSide), StringComparison.Ordinal)
            .Replace("@which.literal@", $"@{which}.literal@", StringComparison.Ordinal)
            .Replace("@table@", isSide ? "run" : "job_log", StringComparison.Ordinal)
            .Replace("@check.with.side@", SqlTemplate.SelectSide(check, withSide: true), StringComparison.Ordinal)
            .Replace("@check.without.side@", SqlTemplate.SelectSide(check, withSide: false), StringComparison.Ordinal);
        return SqlTemplate.Render(whole, schema, side, withSide: true,
            ("@dblink.lost@", LostDblink), ("@history@", "p_history"), ("@dead.after@", "interval '60 seconds'"), ("@own.version@", JobmonServer.OwnVersion),
            ("@side.version@", JobmonServer.CurrentSideVersion.ToString(CultureInfo.InvariantCulture)));
    }
}
