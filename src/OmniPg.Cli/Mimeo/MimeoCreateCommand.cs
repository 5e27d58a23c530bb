using System.CommandLine;
using System.Globalization;
using OmniPg.Mimeo;

namespace OmniPg.Cli;

internal static class MimeoCreateCommand
{
    private static readonly Argument<string> Kind = new("KIND") { Description = "snapshot, table, inserter, updater, dml, logdel or logical" };

    private static readonly Argument<string> Source = new("SRC") { Description = "The table at the source; without a schema it is in public. public.* stands for all there from which nothing comes here yet" };

    private static readonly Option<string> From = new("--from") { Description = "Name of the source", HelpName = "NAME", Required = true };

    private static readonly Option<string?> To = new("--to") { Description = "The table here, or the schema of many. Default: the name that it has there", HelpName = "DEST" };

    private static readonly Option<string?> ByTime = new("--by-time") { Description = "Column of times that only grow, for inserter and updater", HelpName = "COL" };

    private static readonly Option<string?> BySerial = new("--by-serial") { Description = "Column of numbers that only grow", HelpName = "COL" };

    private static readonly Option<string?> Boundary = new("--boundary") { Description = "How far behind the end a refresh stays. Default 10 minutes, or 10 numbers", HelpName = "V" };

    private static readonly Option<string?> Columns = new("--columns") { Description = "Columns to copy, with commas. Default all", HelpName = "a,b" };

    private static readonly Option<string?> Where = new("--where") { Description = "Which rows; SQL for the source", HelpName = "COND" };

    private static readonly Option<string[]> Map = new("--map") { Description = "SQL that stands for a column at the source, so that its value never leaves it; may be repeated. Not for logdel and logical", HelpName = "COL=SQL" };

    private static readonly Option<bool> IgnoreDeletes = new("--ignore-deletes") { Description = "Rows that the source deletes stay here as they were; for dml and logical" };

    private static readonly Option<bool> KeepHistory = new("--keep-history") { Description = "Older images of deleted rows stay in table DEST_deleted; for logdel" };

    private static readonly Option<string?> Key = new("--key") { Description = "Columns that tell rows apart, for updater, dml, logdel and logical. Default those of the primary key", HelpName = "a,b" };

    private static readonly Option<string?> Every = new("--every") { Description = "Time after which the table is due again", HelpName = "I" };

    private static readonly Option<bool> NoData = new("--no-data") { Description = "Pull no rows yet" };

    private static readonly Option<bool> NoIndex = new("--no-index") { Description = "Build no indexes but a key that the method needs" };

    private static readonly Option<string?> Owner = new("--owner") { Description = "Role that owns what is made. Default: the role of the connection, which has to be a member of it", HelpName = "ROLE" };

    private static readonly Option<string?> Drift = new("--drift") { Description = "Columns that the source has and the table has not: fail, add or ignore. Default fail; not for snapshot", HelpName = "POLICY" };

    private static readonly Option<bool> OldestTransaction = new("--oldest-transaction") { Description = "With --by-time: stay below the begin of the oldest transaction that is open at the source, too" };

    private static readonly Option<int?> BatchLimit = new("--batch-limit") { Description = "Most rows, or changes, of a refresh", HelpName = "N" };

    private static readonly Option<bool> Check = new("--check") { Description = "Set nothing up; print the statements that give the rights that are missing, and exit with 2 where there are any" };

    private static readonly Option<bool> Explain = new("--explain") { Description = "Set nothing up; print the rights that are missing and what would be run on each server" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "create", "Sets one table up and pulls its first rows", "omnipg mimeo create updater public.orders --from erp --to dw.orders --by-time updated_at", RunAsync,
        Kind, Source, From, To, ByTime, BySerial, Boundary, OldestTransaction, Columns, Map, Where, IgnoreDeletes, KeepHistory, Key, Every, NoData, NoIndex, BatchLimit, Owner, Drift, Check, Explain);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        var mimeo = MimeoCommands.Open(session);
        var options = new CreateOptions { PullData = !session.Get(NoData), Indexes = session.Get(NoIndex) ? IndexCopy.None : IndexCopy.All, Owner = CliSession.NotEmpty(session.Get(Owner), Owner.Name) };
        if (session.Get(Check) && session.Get(Explain))
            throw new UsageException("--check and --explain contradict each other.");
        if (MimeoCommands.IsPattern(session.NotEmpty(Source)))
            return await RunManyAsync(session, mimeo, options, cancellationToken);
        var spec = Spec(session, MimeoCommands.NameOf(session.NotEmpty(Source)), session.Get(To) is { } to ? MimeoCommands.NameOf(to) : null);
        if (session.Get(Check))
            return MimeoCheck.Write(session, [await mimeo.CheckAccessAsync(spec, cancellationToken)], "No right is missing");
        if (session.Get(Explain))
            return MimeoExplain.WriteSetups(session, [await mimeo.ExplainAsync(spec, options, cancellationToken)]);
        var result = await MimeoProgress.RunAsync(session, progress => mimeo.CreateAsync(spec, options, progress, cancellationToken));
        foreach (var warning in result.Warnings)
            session.Error.WriteLine($"omnipg: {warning}");
        session.WriteResult(
            result.DestinationExisted ? $"'{spec.Target}' is managed; it was there, so no rows were pulled" : string.Create(CultureInfo.InvariantCulture, $"'{spec.Target}' is managed, with {result.Rows} rows"),
            json =>
            {
                json.WriteString("destination", spec.Target.ToString());
                json.WriteBoolean("destinationExisted", result.DestinationExisted);
                json.WriteNumber("rows", result.Rows);
            });
        return result.Warnings.Count == 0 ? ExitCodes.Done : ExitCodes.Attention;
    }

    // One that cannot be set up does not stop the others.
    private static async Task<int> RunManyAsync(CliSession session, MimeoClient mimeo, CreateOptions options, CancellationToken cancellationToken)
    {
        var (pattern, from) = (session.NotEmpty(Source), CliSession.NotEmpty(session.Get(From), From.Name)!);
        var schema = CliSession.NotEmpty(session.Get(To), To.Name) is { } to ? PgIdentifier.Create(to) : (PgIdentifier?)null;
        _ = Spec(session, QualifiedName.Create("public", "x"), null);
        var specs = MimeoCommands.Fitting(pattern, await mimeo.FindUnreplicatedAsync(from, cancellationToken: cancellationToken))
            .Select(table => Spec(session, table, schema is { } other ? new QualifiedName(other, table.Name) : null)).ToArray();
        if (specs.Length == 0)
            throw new UsageException($"No table of source '{from}' fits '{pattern}' from which nothing comes here.");
        var (done, checks, plans, worst) = (new List<CreateResult>(), new List<AccessResult>(), new List<ExplainResult>(), ExitCodes.Done);
        foreach (var spec in specs)
        {
            try
            {
                if (session.Get(Check))
                    checks.Add(await mimeo.CheckAccessAsync(spec, cancellationToken));
                else if (session.Get(Explain))
                    plans.Add(await mimeo.ExplainAsync(spec, options, cancellationToken));
                else
                    done.Add(await MimeoProgress.RunAsync(session, progress => mimeo.CreateAsync(spec, options, progress, cancellationToken)));
            }
            catch (Exception error) when (error is MimeoException or ArgumentException)
            {
                session.Error.WriteLine($"omnipg: {spec.Target}: {ErrorReport.OneLine(error)}");
                worst = ExitCodes.Failed;
            }
        }
        if (session.Get(Check))
            return Math.Max(worst, MimeoCheck.Write(session, checks, "No right is missing"));
        if (session.Get(Explain))
            return Math.Max(worst, MimeoExplain.WriteSetups(session, plans));
        foreach (var result in done)
        {
            foreach (var warning in result.Warnings)
                session.Error.WriteLine($"omnipg: {result.Spec.Target}: {warning}");
        }
        session.WriteList(["Table", new CliColumn("Rows", Right: true), "Existed"], done, d => [d.Spec.Target.ToString(), d.Rows.ToString(CultureInfo.InvariantCulture), d.DestinationExisted ? "existed" : ""], (json, result) =>
        {
            json.WriteString("destination", result.Spec.Target.ToString());
            json.WriteBoolean("destinationExisted", result.DestinationExisted);
            json.WriteNumber("rows", result.Rows);
        });
        return done.Any(d => d.Warnings.Count > 0) ? Math.Max(worst, ExitCodes.Attention) : worst;
    }

    public static ReplicationKind KindOf(string text) => text switch
    {
        "snapshot" => ReplicationKind.Snapshot,
        "table" => ReplicationKind.Table,
        "inserter" => ReplicationKind.Inserter,
        "updater" => ReplicationKind.Updater,
        "dml" => ReplicationKind.Dml,
        "logdel" => ReplicationKind.Logdel,
        "logical" => ReplicationKind.Logical,
        var other => throw new UsageException($"Kind '{other}' is none of snapshot, table, inserter, updater, dml, logdel, logical."),
    };

    private static ReplicationSpec Spec(CliSession session, QualifiedName source, QualifiedName? destination)
    {
        var kind = KindOf(session.NotEmpty(Kind));
        var growing = kind is ReplicationKind.Inserter or ReplicationKind.Updater;
        var followed = kind is ReplicationKind.Dml or ReplicationKind.Logdel or ReplicationKind.Logical;
        var cursor = Cursor(session);
        if (growing && cursor is null)
            throw new UsageException($"{session.Get(Kind)} needs --by-time or --by-serial.");
        if (!growing && cursor is not null)
            throw new UsageException($"--by-time, --by-serial and --boundary mean nothing for {session.Get(Kind)}.");
        if (!growing && !followed && session.Get(BatchLimit) is not null)
            throw new UsageException($"--batch-limit means nothing for {session.Get(Kind)}.");
        if (!followed && kind != ReplicationKind.Updater && session.Get(Key) is not null)
            throw new UsageException($"--key means nothing for {session.Get(Kind)}.");
        if (kind is not (ReplicationKind.Dml or ReplicationKind.Logical) && session.Get(IgnoreDeletes))
            throw new UsageException($"--ignore-deletes means nothing for {session.Get(Kind)}.");
        if (kind != ReplicationKind.Logdel && session.Get(KeepHistory))
            throw new UsageException($"--keep-history means nothing for {session.Get(Kind)}.");
        if (session.Get(BatchLimit) <= 0)
            throw new UsageException($"--batch-limit '{session.Get(BatchLimit)}' must be positive.");
        return new ReplicationSpec
        {
            Kind = kind,
            From = CliSession.NotEmpty(session.Get(From), From.Name)!,
            Source = source,
            Destination = destination,
            Columns = Names(session.Get(Columns)),
            Condition = CliSession.NotEmpty(session.Get(Where), Where.Name) is { } where ? $"WHERE ({where}\n)" : null,
            Expressions = Expressions(session.Get(Map) ?? []),
            IgnoreDeletes = session.Get(IgnoreDeletes),
            KeepHistory = session.Get(KeepHistory),
            Cursor = cursor,
            Key = Names(session.Get(Key)),
            Period = CliSession.Interval(session.Get(Every), Every.Name),
            BatchLimit = session.Get(BatchLimit),
            Drift = session.Get(Drift) switch
            {
                null or "fail" => DriftPolicy.Fail,
                _ when kind == ReplicationKind.Snapshot => throw new UsageException("--drift means nothing for snapshot, which is made anew."),
                "add" => DriftPolicy.AddColumns,
                "ignore" => DriftPolicy.Ignore,
                var other => throw new UsageException($"--drift '{other}' is none of fail, add, ignore."),
            },
        };
    }

    private static Dictionary<string, string> Expressions(IReadOnlyList<string> texts)
    {
        var expressions = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var text in texts)
        {
            var at = text.IndexOf('=', StringComparison.Ordinal);
            if (at <= 0 || !expressions.TryAdd(text[..at], text[(at + 1)..]))
                throw new UsageException($"--map '{text}' is no COL=SQL, or a second one for its column.");
        }
        return expressions;
    }

    private static CursorColumn? Cursor(CliSession session)
    {
        var boundary = session.Get(Boundary);
        if (session.Get(OldestTransaction) && session.Get(ByTime) is null)
            throw new UsageException("--oldest-transaction needs --by-time.");
        switch (session.Get(ByTime), session.Get(BySerial))
        {
            case (null, null):
                return boundary is null ? null : throw new UsageException("--boundary needs --by-time or --by-serial.");
            case ({ } column, null):
                return CursorColumn.Time(column, CliSession.Interval(boundary, Boundary.Name)) with { Mode = session.Get(OldestTransaction) ? BoundaryMode.OldestTransaction : BoundaryMode.Fixed };
            case (null, { } column):
                return boundary is null ? CursorColumn.Serial(column)
                    : long.TryParse(boundary, NumberStyles.None, CultureInfo.InvariantCulture, out var numbers) ? CursorColumn.Serial(column, numbers)
                    : throw new UsageException($"--boundary '{boundary}' is no number, and --by-serial counts numbers.");
            default:
                throw new UsageException("--by-time and --by-serial contradict each other.");
        }
    }

    private static string[] Names(string? list) => list?.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) ?? [];
}
