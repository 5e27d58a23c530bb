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

    /// <summary>Name of the advisory lock of an installation.</summary>
    public const string LockName = "omnipg_jobmon.install";

    /// <summary>What an installation does, whether it is printed or applied. Any mode but the extension's means own mode; without a reader role no policies are made.</summary>
    public static SqlPlan Plan(JobmonMode mode, PgIdentifier schema, PgIdentifier side, PgIdentifier? readerRole)
    {
        IEnumerable<SqlPlanStep> log = mode == JobmonMode.Extension ? [] : OwnOnly(schema, side).Steps.Skip(1);
        IEnumerable<SqlPlanStep> readers = mode == JobmonMode.Extension || readerRole is not { } reader ? []
            : [Step("limit-readers", $"Only members of {reader.Quoted} see every run, others their own.", Visibility(schema, side, reader))];
        return new SqlPlan([SchemaInstall.Begin(LockName), .. log, .. readers, SideTables(schema, side, "guard-side.sql")]);
    }

    /// <summary>The part of it that makes the log itself, without the tables beside it.</summary>
    public static SqlPlan OwnOnly(PgIdentifier schema, PgIdentifier side) => new(
        SchemaInstall.Begin(LockName),
        Step("install-log", $"Tables, functions and triggers of the job log in schema {schema.Quoted}.", Fill("guard.sql", "schema", OwnParts, schema, side)));

    /// <summary>The side tables without their guard: takes over a side schema that belonged to another log.</summary>
    public static SqlPlan TakeOver(PgIdentifier schema, PgIdentifier side) => new(SchemaInstall.Begin(LockName), SideTables(schema, side, guard: null));

    private static SqlPlanStep SideTables(PgIdentifier schema, PgIdentifier side, string? guard) =>
        Step("install-side-tables", $"Side tables of the log in schema {schema.Quoted}, in schema {side.Quoted}.", Fill(guard, "side", SideParts, schema, side));

    private static SqlPlanStep Step(string kind, string reason, string sql) => new() { Kind = kind, Reason = reason, Sql = sql };

    /// <summary>Policies that let <paramref name="readerRole"/> see every run and others only their own.</summary>
    private static string Visibility(PgIdentifier schema, PgIdentifier side, PgIdentifier readerRole) => SqlTemplate.Render(
        JobmonServer.Script("own-visibility.sql"), schema, side, true,
        ("@reader.name.literal@", readerRole.Value.Replace("'", "''", StringComparison.Ordinal)));

    private static string Fill(string? guard, string which, string[] parts, PgIdentifier schema, PgIdentifier side)
    {
        var check = JobmonServer.Script("check-rows.sql");
        var template = (guard is null ? "" : JobmonServer.Script(guard)) + CreateSchema.Replace("NAME", which, StringComparison.Ordinal) + string.Join('\n', parts.Append(Rights).Select(JobmonServer.Script));
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
