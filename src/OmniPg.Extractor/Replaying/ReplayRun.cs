using System.Text;
using Npgsql;

namespace OmniPg.Extractor;

/// <summary>Runs the entries of a schema on one connection.</summary>
internal sealed class ReplayRun(NpgsqlConnection connection, SchemaSnapshot snapshot, string? directory, ReplayOptions options)
{
    private static readonly string[] Defaults = ["SET default_tablespace = ''", "SET default_table_access_method = heap"];

    // transaction_timeout came with 17, and a setting that is not there cannot be SET.
    private static readonly string[] Prologue =
    [
        "SET statement_timeout = 0", "SET lock_timeout = 0", "SET idle_in_transaction_session_timeout = 0",
        "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout'",
        "SET standard_conforming_strings = on", "SET search_path = ''", "SET check_function_bodies = false", "SET xmloption = content",
        "SET client_min_messages = warning", "SET row_security = off", .. Defaults,
    ];

    private readonly List<string> _skipped = [];
    private readonly List<ReplayEntry> _outside = [];
    private readonly List<ReplayException> _errors = [];
    private HashSet<string> _missing = [];
    private int _entries;
    private int _statements;

    public async Task<ReplayResult> RunAsync(CancellationToken cancellationToken)
    {
        using var activity = ExtractorTelemetry.Source.StartActivity("extractor.replay");
        var plan = await ReplayEntry.PlanAsync(snapshot, options, cancellationToken).ConfigureAwait(false);
        await RefuseNonEmptyAsync(cancellationToken).ConfigureAwait(false);
        RefuseEscapedRows(plan);
        var missing = await FindMissingRolesAsync(plan, cancellationToken).ConfigureAwait(false);
        await PlainStatements.ExecuteAsync(connection, [.. Prologue, .. SessionText.Statements(snapshot.Environment)], 0, cancellationToken).ConfigureAwait(false);
        if (options.SingleTransaction)
            await RunInTransactionAsync(plan, missing, cancellationToken).ConfigureAwait(false);
        else
        {
            await CreateRolesAsync(missing, cancellationToken).ConfigureAwait(false);
            foreach (var entry in plan)
                await RunEntryAsync(entry, mayDefer: false, cancellationToken).ConfigureAwait(false);
        }
        foreach (var entry in _outside)
            await RunEntryAsync(entry, mayDefer: false, cancellationToken).ConfigureAwait(false);
        return new ReplayResult
        {
            Entries = _entries,
            Statements = _statements,
            Skipped = _skipped,
            OutsideTransaction = [.. _outside.Select(static entry => entry.Entry.Key)],
            CreatedRoles = options.Roles == MissingRoles.Create ? missing : [],
            Errors = _errors,
            Warnings = snapshot.Warnings,
        };
    }

    /// <summary>Refuses what <see cref="RunAsync"/> would refuse for want of roles or secrets, which do not depend on the database.</summary>
    public async Task CheckAsync(CancellationToken cancellationToken)
    {
        var plan = await ReplayEntry.PlanAsync(snapshot, options, cancellationToken).ConfigureAwait(false);
        await FindMissingRolesAsync(plan, cancellationToken).ConfigureAwait(false);
    }

    private async Task RunInTransactionAsync(IReadOnlyList<ReplayEntry> plan, IReadOnlyList<string> missing, CancellationToken cancellationToken)
    {
        var transaction = await connection.BeginTransactionAsync(cancellationToken).ConfigureAwait(false);
        // Disposal without commit rolls everything back.
        await using (transaction.ConfigureAwait(false))
        {
            await CreateRolesAsync(missing, cancellationToken).ConfigureAwait(false);
            foreach (var entry in plan)
                await RunEntryAsync(entry, mayDefer: true, cancellationToken).ConfigureAwait(false);
            await transaction.CommitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task RefuseNonEmptyAsync(CancellationToken cancellationToken)
    {
        if (options.AllowNonEmpty)
            return;
        var found = await TargetFacts.UserObjectsAsync(connection, cancellationToken).ConfigureAwait(false);
        if (found.Count > 0)
            throw new ReplayRefusedException("extractor.replay.not-empty",
                $"The database '{connection.Database}' is not empty; it holds, among others: '{string.Join("', '", found)}'.", found,
                "Replay into a fresh database, or set AllowNonEmpty.");
    }

    private void RefuseEscapedRows(IReadOnlyList<ReplayEntry> plan)
    {
        if (connection.PostgreSqlVersion.Major < 19 || !SessionText.HasEscapedRows(snapshot.Environment))
            return;
        var rows = plan.Where(static entry => entry.Entry is { HasData: true, Desc: "TABLE DATA" }).Select(static entry => entry.Entry.Key).ToList();
        if (rows.Count > 0)
            throw new ReplayRefusedException("extractor.replay.strings",
                $"The INSERT statements of '{string.Join("', '", rows)}' were written with standard_conforming_strings off; the target, PostgreSQL {connection.PostgreSqlVersion}, knows on only.",
                rows, "Extract the rows as COPY, or leave them out with SchemaOnly.");
    }

    private async Task<IReadOnlyList<string>> FindMissingRolesAsync(IReadOnlyList<ReplayEntry> plan, CancellationToken cancellationToken)
    {
        var named = plan.SelectMany(static entry => entry.Statements.SelectMany(s => RoleNames.In(entry.Entry.Desc, s.Text), static (s, role) => (s.Text, role)))
            .Where(item => !options.NoOwner || !RoleNames.IsOwnerChange(item.Text))
            .Select(static item => item.role).ToHashSet(StringComparer.Ordinal);
        var missing = await TargetFacts.MissingRolesAsync(connection, named, cancellationToken).ConfigureAwait(false);
        if (missing.Count > 0 && options.Roles == MissingRoles.Fail)
            throw new ReplayRefusedException("extractor.replay.roles", $"The server has no such roles: '{string.Join("', '", missing)}'.", missing,
                "Create them, or set MissingRoles to Skip or Create.");
        if (options.Roles == MissingRoles.Skip)
            _missing = [.. missing];
        return missing;
    }

    private async Task CreateRolesAsync(IReadOnlyList<string> missing, CancellationToken cancellationToken)
    {
        if (options.Roles != MissingRoles.Create)
            return;
        foreach (var role in missing)
            await ExecuteAsync($"CREATE ROLE {PgIdentifier.Create(role).Quoted} NOLOGIN", cancellationToken).ConfigureAwait(false);
    }

    private async Task RunEntryAsync(ReplayEntry entry, bool mayDefer, CancellationToken cancellationToken)
    {
        if (mayDefer && entry.RunsOutsideTransaction)
        {
            _outside.Add(entry);
            return;
        }
        try
        {
            if (entry.Entry.HasData)
                await RunRowsAsync(entry, mayDefer, cancellationToken).ConfigureAwait(false);
            else
                await RunStatementsAsync(entry, cancellationToken).ConfigureAwait(false);
            _entries++;
        }
        catch (ReplayException error) when (options.ContinueOnError)
        {
            _errors.Add(error);
        }
    }

    private async Task RunRowsAsync(ReplayEntry entry, bool inTransaction, CancellationToken cancellationToken)
    {
        var escaped = entry.Entry.Desc == "TABLE DATA" && SessionText.HasEscapedRows(snapshot.Environment);
        if (escaped)
            await ExecuteAsync("SET standard_conforming_strings = off", cancellationToken).ConfigureAwait(false);
        _statements += await new DataReplay(connection, directory, entry.Entry, inTransaction, SessionText.RawEncoding(snapshot) is not null).RunAsync(cancellationToken).ConfigureAwait(false);
        if (escaped)
            await ExecuteAsync("SET standard_conforming_strings = on", cancellationToken).ConfigureAwait(false);
    }

    private async Task RunStatementsAsync(ReplayEntry entry, CancellationToken cancellationToken)
    {
        foreach (var statement in entry.Statements)
        {
            if (options.NoOwner && RoleNames.IsOwnerChange(statement.Text))
                continue;
            if (_missing.Count > 0 && RoleNames.In(entry.Entry.Desc, statement.Text).Any(_missing.Contains))
            {
                _skipped.Add($"{entry.Entry.Key}: {statement.Text}");
                continue;
            }
            try
            {
                await ExecuteAsync(statement.Text, cancellationToken).ConfigureAwait(false);
                _statements++;
            }
            catch (PostgresException error)
            {
                throw new ReplayException(entry.Entry, EntryLines.LineOf(directory, entry.Entry, statement.Offset, statement.Text, error.Position), error);
            }
        }
        if (entry.ChangesDefaults)
            await PlainStatements.ExecuteAsync(connection, Defaults, 0, cancellationToken).ConfigureAwait(false);
    }

    private Task<long> ExecuteAsync(string sql, CancellationToken cancellationToken) => PlainStatements.ExecuteAsync(connection, [sql], 0, cancellationToken);

    /// <summary>Finds the line of a file at which a statement failed, so that an editor can jump there.</summary>
    private static class EntryLines
    {
        /// <param name="directory">The tree; null when the schema is in memory, lines then count within the entry.</param>
        /// <param name="entry">The entry.</param>
        /// <param name="offset">Where the statement begins in the entry.</param>
        /// <param name="statement">The statement.</param>
        /// <param name="position">The server's error position in the statement, from 1; 0 when it has none.</param>
        public static int LineOf(string? directory, SchemaEntry entry, int offset, string statement, int position)
        {
            var within = Lines(entry.Sql.AsSpan(0, Math.Min(offset, entry.Sql.Length)))
                + Lines(statement.AsSpan(0, Math.Clamp(position - 1, 0, statement.Length)));
            return 1 + LinesAbove(directory, entry) + within;
        }

        private static int LinesAbove(string? directory, SchemaEntry entry)
        {
            if (directory is null)
                return 0;
            var path = Path.Combine(directory, entry.File);
            var text = File.Exists(path) ? File.ReadAllText(path, Encoding.UTF8) : "";
            var at = text.IndexOf(entry.Sql, StringComparison.Ordinal);
            return at < 0 ? 0 : Lines(text.AsSpan(0, at));
        }

        private static int Lines(ReadOnlySpan<char> text) => text.Count('\n');
    }

    /// <summary>What a replay asks its target before it begins.</summary>
    private static class TargetFacts
    {
        // Objects of initdb have OIDs below 16384 (FirstNormalObjectId in access/transam.h).
        private const string UserObjectsSql = """
            SELECT 'schema ' || nspname FROM pg_catalog.pg_namespace WHERE oid >= 16384 AND nspname !~ '^pg_(toast_)?temp_'
            UNION ALL SELECT 'relation ' || oid::pg_catalog.regclass::text FROM pg_catalog.pg_class WHERE oid >= 16384 AND relnamespace <> 'pg_toast'::regnamespace
            UNION ALL SELECT 'function ' || oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc WHERE oid >= 16384
            UNION ALL SELECT 'type ' || oid::pg_catalog.regtype::text FROM pg_catalog.pg_type WHERE oid >= 16384
            UNION ALL SELECT 'extension ' || extname FROM pg_catalog.pg_extension WHERE oid >= 16384
            UNION ALL SELECT 'publication ' || pubname FROM pg_catalog.pg_publication
            UNION ALL SELECT 'foreign-data wrapper ' || fdwname FROM pg_catalog.pg_foreign_data_wrapper
            UNION ALL SELECT 'event trigger ' || evtname FROM pg_catalog.pg_event_trigger
            LIMIT 10
            """;

        private const string MissingRolesSql = """
            SELECT name FROM pg_catalog.unnest($1) AS name
            WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) ORDER BY name COLLATE "C"
            """;

        public static Task<List<string>> UserObjectsAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
            ReadAsync(new NpgsqlCommand(UserObjectsSql, connection), cancellationToken);

        public static Task<List<string>> MissingRolesAsync(NpgsqlConnection connection, IReadOnlyCollection<string> names, CancellationToken cancellationToken) =>
            ReadAsync(new NpgsqlCommand(MissingRolesSql, connection) { Parameters = { new NpgsqlParameter { Value = names.ToArray() } } }, cancellationToken);

        private static async Task<List<string>> ReadAsync(NpgsqlCommand command, CancellationToken cancellationToken)
        {
            var names = new List<string>();
            await using (command.ConfigureAwait(false))
            {
                var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                        names.Add(reader.GetString(0));
                }
            }
            return names;
        }
    }
}
