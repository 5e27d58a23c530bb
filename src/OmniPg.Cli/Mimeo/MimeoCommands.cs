using System.CommandLine;
using System.Globalization;
using System.IO.Enumeration;
using OmniPg.Mimeo;

namespace OmniPg.Cli;

/// <summary>The commands below <c>omnipg mimeo</c>; sources, and what shows or ends the management of a table.</summary>
internal static class MimeoCommands
{
    private static readonly Option<string?> OwnSchema = new("--schema") { Description = "Schema of the package's own tables. Default omnipg_mimeo", HelpName = "S", Recursive = true };

    private static readonly Option<long?> Throttle = new("--throttle") { Description = "Bytes a second to copy from a source. Default no limit", HelpName = "BYTES", Recursive = true };

    private static readonly Argument<string> Name = new("NAME") { Description = "Name of the source" };

    private static readonly Option<string> SourceConnection = new("--source-connection") { Description = "Connection string of the source; a password in it is stored", HelpName = "CS", Required = true };

    private static readonly Argument<string> Destination = new("DEST") { Description = "The table at the destination; without a schema it is in public" };

    private static readonly Argument<string[]> Tables = new("DEST") { Description = "Tables here. Default all", Arity = ArgumentArity.ZeroOrMore };

    private static readonly Option<bool> Views = new("--views") { Description = "Views and materialized views, too" };

    private static readonly Option<bool> DropTable = new("--drop-table") { Description = "Drop the rows, too" };

    private static readonly Option<bool> Checksum = new("--checksum") { Description = "Compare the values, too" };

    private static readonly Option<string?> Between = new("--between") { Description = "Compare the rows between two values of the cursor column, which stay out themselves", HelpName = "FROM..TO" };

    private static readonly Option<bool> SkipSource = new("--skip-source") { Description = "Leave queue and trigger, or publication and slot, at the source, and print what to run there" };

    public static Command Create(CliHost host)
    {
        var command = new Command("mimeo", "Tables pulled from other databases\nExample: omnipg mimeo refresh dw.orders");
        command.Options.Add(OwnSchema);
        command.Options.Add(Throttle);
        var source = new Command("source", "The servers that tables come from\nExample: omnipg mimeo source list");
        source.Subcommands.Add(CliCommand.Create(host, "add", "Makes a source known, or gives it another connection; installs the package's tables where they are missing",
            "omnipg mimeo source add erp --source-connection \"Host=db1;Database=erp;Username=puller\"", AddSourceAsync, Name, SourceConnection));
        source.Subcommands.Add(CliCommand.Create(host, "list", "All sources", "omnipg mimeo source list", ListSourcesAsync));
        source.Subcommands.Add(CliCommand.Create(host, "remove", "Forgets a source that no table comes from any more", "omnipg mimeo source remove erp", RemoveSourceAsync, Name));
        command.Subcommands.Add(source);
        command.Subcommands.Add(MimeoCreateCommand.Create(host));
        command.Subcommands.Add(MimeoApply.Create(host));
        command.Subcommands.Add(MimeoRefreshCommand.Create(host));
        command.Subcommands.Add(CliCommand.Create(host, "list", "All managed tables", "omnipg mimeo list", ListAsync));
        command.Subcommands.Add(CliCommand.Create(host, "status", "How far tables are: time since the last refresh, and what waits at the source", "omnipg mimeo status dw.orders", StatusAsync, Tables));
        command.Subcommands.Add(CliCommand.Create(host, "check", "Which rights the roles of both sides lack, as the statements that give them; exit code 0 none, 2 some, 3 UNKNOWN", "omnipg mimeo check dw.orders",
            (session, cancellation) => MimeoCheck.RunAsync(session, [.. session.Get(Tables).Select(NameOf)], cancellation), Tables));
        command.Subcommands.Add(CliCommand.Create(host, "drift", "Columns that do not fit those of the source any more, with the statements that mend them; exit code 1 where there are any", "omnipg mimeo drift dw.orders",
            (session, cancellation) => MimeoDrift.RunAsync(session, [.. session.Get(Tables).Select(NameOf)], cancellation), Tables));
        command.Subcommands.Add(MimeoSnapshots.Create(host));
        command.Subcommands.Add(CliCommand.Create(host, "unreplicated", "Tables of a source from which nothing here comes", "omnipg mimeo unreplicated erp", UnreplicatedAsync, Name, Views));
        command.Subcommands.Add(CliCommand.Create(host, "orphans", "Queues and slots of a source that no table here is fed by, with the statements that take them away; exit code 1 where this database made one", "omnipg mimeo orphans erp", OrphansAsync, Name));
        command.Subcommands.Add(CliCommand.Create(host, "import", "Moves sources and tables out of the extension's tables into the package's own, so that it can be dropped", "omnipg mimeo import",
            (session, cancellation) => MoveAsync(session, Open(session).ImportFromExtensionAsync(cancellation), "are managed in the package's own tables now")));
        command.Subcommands.Add(CliCommand.Create(host, "export", "Moves them back into the empty tables of the extension", "omnipg mimeo export",
            (session, cancellation) => MoveAsync(session, Open(session).ExportToExtensionAsync(cancellation), "are managed in the extension's tables now")));
        command.Subcommands.Add(CliCommand.Create(host, "validate", "Compares a table with its source, but for rows that the next refresh brings", "omnipg mimeo validate dw.orders --checksum", ValidateAsync, Destination, Checksum, Between));
        command.Subcommands.Add(MimeoCompare.Create(host));
        command.Subcommands.Add(CliCommand.Create(host, "drop", "Ends the management of a table, which keeps its rows", "omnipg mimeo drop dw.orders", DropAsync, Destination, DropTable, SkipSource));
        return command;
    }

    public static MimeoClient Open(CliSession session)
    {
        var options = new MimeoOptions();
        options.Schema = CliSession.NotEmpty(session.Get(OwnSchema), OwnSchema.Name) ?? options.Schema;
        options.MaxBytesPerSecond = session.Get(Throttle);
        return new MimeoClient(session.DataSource, options);
    }

    public static QualifiedName NameOf(string text) => InSchema(QualifiedName.Parse(text));

    /// <summary>A name without a schema is one in public.</summary>
    public static QualifiedName InSchema(QualifiedName name) => name.Schema is null ? new QualifiedName(PgIdentifier.Create("public"), name.Name) : name;

    /// <summary>Whether a text stands for many tables: it has a star, and no quotes in which a star is one of a name.</summary>
    public static bool IsPattern(string text) => text.Contains('*', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal);

    /// <summary>The tables that a pattern fits; one without a schema is of public.</summary>
    public static IReadOnlyList<QualifiedName> Fitting(string pattern, IEnumerable<QualifiedName> tables)
    {
        var whole = pattern.Contains('.', StringComparison.Ordinal) ? pattern : "public." + pattern;
        return [.. tables.Where(t => FileSystemName.MatchesSimpleExpression(whole, $"{t.Schema!.Value.Value}.{t.Name.Value}", ignoreCase: false))];
    }

    /// <summary>Two values with dots between them, of which one may be missing; null where the text is no range.</summary>
    public static (string? From, string? To)? RangeOf(string text) =>
        text.Split("..") is [var from, var to] && (from + to).Length > 0 ? (from.Length > 0 ? from : null, to.Length > 0 ? to : null) : null;

    private static async Task<int> AddSourceAsync(CliSession session, CancellationToken cancellationToken)
    {
        var (name, mimeo) = (session.NotEmpty(Name), Open(session));
        // Resolved as every other connection of the program: keywords or a URI.
        var connection = session.OpenOther(session.Get(SourceConnection)!).ConnectionString;
        await mimeo.EnsureCreatedAsync(cancellationToken);
        await mimeo.AddSourceAsync(name, connection, cancellationToken);
        session.WriteResult($"Source '{name}' is known", json => json.WriteString("source", name));
        return ExitCodes.Done;
    }

    private static async Task<int> ListSourcesAsync(CliSession session, CancellationToken cancellationToken)
    {
        var sources = await Open(session).ListSourcesAsync(cancellationToken);
        session.WriteList(["Source", "Server", "User"], sources, s => [s.Name, s.Server, s.UserName], (json, source) =>
        {
            json.WriteNumber("id", source.Id);
            json.WriteString("name", source.Name);
            json.WriteString("server", source.Server);
            json.WriteString("userName", source.UserName);
        });
        return ExitCodes.Done;
    }

    private static async Task<int> RemoveSourceAsync(CliSession session, CancellationToken cancellationToken)
    {
        var name = session.NotEmpty(Name);
        await Open(session).RemoveSourceAsync(name, cancellationToken);
        session.WriteResult($"Source '{name}' is forgotten", json => json.WriteString("source", name));
        return ExitCodes.Done;
    }

    private static async Task<int> ListAsync(CliSession session, CancellationToken cancellationToken)
    {
        var tables = await Open(session).ListAsync(cancellationToken);
        session.WriteList(
            ["Table", "Kind", "From", "Source", "Last value", "Last run"],
            tables,
            t => [t.Target.ToString(), Kind(t.Kind), t.From, t.Source.ToString(), t.LastValue, Time(t.LastRun)],
            (json, table) =>
            {
                json.WriteString("destination", table.Target.ToString());
                json.WriteString("kind", Kind(table.Kind));
                json.WriteString("from", table.From);
                json.WriteString("source", table.Source.ToString());
                json.WriteString("cursor", table.Cursor?.Column);
                json.WriteString("lastValue", table.LastValue);
                json.WriteString("lastRun", table.LastRun?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
                json.WriteString("period", table.Period?.ToString());
            });
        return ExitCodes.Done;
    }

    // A source that is away keeps nobody from the others.
    private static async Task<int> StatusAsync(CliSession session, CancellationToken cancellationToken)
    {
        var mimeo = Open(session);
        var tables = session.Get(Tables) is { Length: > 0 } names ? names.Select(NameOf) : (await mimeo.ListAsync(cancellationToken)).Select(t => t.Target);
        var (found, worst) = (new List<TableStatusResult>(), ExitCodes.Done);
        foreach (var table in tables)
        {
            try
            {
                found.Add(await mimeo.StatusAsync(table, cancellationToken));
            }
            catch (MimeoException error)
            {
                session.Error.WriteLine($"omnipg: {table}: {error.Message}");
                worst = ExitCodes.Failed;
            }
        }
        session.WriteList(
            ["Table", "Kind", "Last run", "Due", new CliColumn("Waiting", Right: true), "Behind", new CliColumn("Log bytes", Right: true), "Slot"],
            found,
            s => [s.Spec.Target.ToString(), Kind(s.Spec.Kind), Time(s.Spec.LastRun), s.IsDue ? "due" : "", s.Waiting?.ToString(CultureInfo.InvariantCulture), Span(s.Behind), s.RetainedBytes?.ToString(CultureInfo.InvariantCulture), s.SlotState],
            (json, status) =>
            {
                json.WriteString("destination", status.Spec.Target.ToString());
                json.WriteString("kind", Kind(status.Spec.Kind));
                json.WriteString("lastRun", status.Spec.LastRun?.UtcDateTime.ToString("O", CultureInfo.InvariantCulture));
                Number("secondsSinceLastRun", status.SinceLastRun?.TotalSeconds);
                json.WriteBoolean("due", status.IsDue);
                Number("waiting", status.Waiting);
                Number("secondsBehind", status.Behind?.TotalSeconds);
                Number("retainedBytes", status.RetainedBytes);
                Number("unreadBytes", status.UnreadBytes);
                json.WriteString("slotState", status.SlotState);

                void Number(string name, double? value)
                {
                    if (value is { } number)
                        json.WriteNumber(name, number);
                    else
                        json.WriteNull(name);
                }
            });
        return found.Any(s => s.SlotState is "lost" or "unreserved" or "missing") ? Math.Max(worst, ExitCodes.Attention) : worst;

        static string? Span(TimeSpan? span) => span?.ToString(@"d\.hh\:mm\:ss", CultureInfo.InvariantCulture);
    }

    private static async Task<int> OrphansAsync(CliSession session, CancellationToken cancellationToken)
    {
        var orphans = await Open(session).FindOrphansAsync(session.NotEmpty(Name), cancellationToken);
        session.WriteList(["Queue or slot", "Table there", "Made", "Run at the source"], orphans, o => [o.Name, o.Table?.ToString(), o.IsMadeHere ? "here" : "elsewhere?", string.Join(' ', o.Statements)], (json, orphan) =>
        {
            json.WriteString("name", orphan.Name);
            json.WriteString("table", orphan.Table?.ToString());
            json.WriteBoolean("madeHere", orphan.IsMadeHere);
            json.WriteStartArray("statements");
            foreach (var statement in orphan.Statements)
                json.WriteStringValue(statement);
            json.WriteEndArray();
        });
        return orphans.Any(o => o.IsMadeHere) ? ExitCodes.Attention : ExitCodes.Done;
    }

    private static async Task<int> UnreplicatedAsync(CliSession session, CancellationToken cancellationToken)
    {
        var tables = await Open(session).FindUnreplicatedAsync(session.NotEmpty(Name), session.Get(Views), cancellationToken);
        session.WriteList(["Table"], tables, t => [t.ToString()], (json, table) =>
        {
            json.WriteString("schema", table.Schema?.Value);
            json.WriteString("name", table.Name.Value);
        });
        return ExitCodes.Done;
    }

    private static async Task<int> MoveAsync(CliSession session, Task<MoveResult> moving, string done)
    {
        var moved = await moving;
        session.WriteResult($"{JobText.Counted(moved.Tables.Count, "table")} of {JobText.Counted(moved.Sources, "source")} {done}", json =>
        {
            json.WriteNumber("sources", moved.Sources);
            json.WriteStartArray("tables");
            foreach (var table in moved.Tables)
                json.WriteStringValue(table.ToString());
            json.WriteEndArray();
        });
        return ExitCodes.Done;
    }

    private static async Task<int> ValidateAsync(CliSession session, CancellationToken cancellationToken)
    {
        var (from, to) = session.Get(Between) is { } between ? RangeOf(between) ?? throw new UsageException($"--between '{between}' is not FROM..TO.") : (null, null);
        var result = await Open(session).ValidateAsync(NameOf(session.NotEmpty(Destination)), new ValidationOptions { Checksum = session.Get(Checksum), Start = from, End = to }, cancellationToken);
        foreach (var warning in result.Warnings)
            session.Error.WriteLine($"omnipg: {warning}");
        session.WriteResult(
            string.Create(CultureInfo.InvariantCulture, $"'{result.Destination}' {(result.IsEqual ? "is equal to" : "differs from")} its source: {result.DestinationRows} rows here, {result.SourceRows} there"),
            json =>
            {
                json.WriteString("destination", result.Destination.ToString());
                json.WriteBoolean("equal", result.IsEqual);
                json.WriteNumber("sourceRows", result.SourceRows);
                json.WriteNumber("destinationRows", result.DestinationRows);
                json.WriteString("sourceChecksum", result.SourceChecksum);
                json.WriteString("destinationChecksum", result.DestinationChecksum);
            });
        return result.IsEqual && result.Warnings.Count == 0 ? ExitCodes.Done : ExitCodes.Attention;
    }

    private static async Task<int> DropAsync(CliSession session, CancellationToken cancellationToken)
    {
        var result = await Open(session).DropAsync(NameOf(session.NotEmpty(Destination)), keepTable: !session.Get(DropTable),
            session.Get(SkipSource) ? SourceCleanup.Skip : SourceCleanup.Require, cancellationToken);
        var left = result.SourceStatements.Count == 0 ? "" : "; run at its source:\n" + string.Join('\n', result.SourceStatements);
        session.WriteResult($"'{result.Destination}' is not managed any more{(result.Kept ? "; its rows stay" : "")}{left}", json =>
        {
            json.WriteString("destination", result.Destination.ToString());
            json.WriteBoolean("kept", result.Kept);
            json.WriteStartArray("sourceStatements");
            foreach (var statement in result.SourceStatements)
                json.WriteStringValue(statement);
            json.WriteEndArray();
        });
        return ExitCodes.Done;
    }

    private static string? Time(DateTimeOffset? at) => at?.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static string Kind(ReplicationKind kind) => kind.ToString().ToLowerInvariant();
}
