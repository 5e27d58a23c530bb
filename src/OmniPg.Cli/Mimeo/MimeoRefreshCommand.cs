using System.CommandLine;
using System.Globalization;
using OmniPg.Mimeo;

namespace OmniPg.Cli;

internal static class MimeoRefreshCommand
{
    private static readonly Argument<string[]> Destinations = new("DEST") { Description = "Tables here, one after another; one that fails does not stop the others; dw.* stands for all that are managed in dw", Arity = ArgumentArity.ZeroOrMore };

    private static readonly Option<string?> RepullOption = new("--repull") { Description = "Replace all rows, or those between two values, which stay themselves", HelpName = "all|FROM..TO" };

    private static readonly Option<int?> Limit = new("--limit") { Description = "Most rows, or changes, this time", HelpName = "N" };

    private static readonly Option<bool> KeepReaders = new("--keep-readers") { Description = "Empty a table by DELETE, which keeps no reader waiting and needs a vacuum" };

    private static readonly Option<bool> Group = new("--group") { Description = "All tables as one: from one snapshot, visible together or not at all" };

    private static readonly Option<bool> Due = new("--due") { Description = "The tables whose time is over, those first that waited longest" };

    private static readonly Option<string?> Kind = new("--kind") { Description = "With --due: tables of this kind only", HelpName = "K" };

    private static readonly Option<int?> Most = new("--max") { Description = "With --due: most tables", HelpName = "N" };

    private static readonly Option<int?> AtOnce = new("--parallel") { Description = "With --due: tables at once. Default 1", HelpName = "N" };

    private static readonly Option<int?> PerSource = new("--per-source") { Description = "With --due: of those, tables of one source. Default no other limit", HelpName = "N" };

    private static readonly Option<string?> Nulls = new("--nulls") { Description = "Rows without a value in the cursor column: warn of them (default), ignore them, or fail", HelpName = "warn|ignore|fail" };

    private static readonly Option<bool> Follow = new("--follow") { Description = "Keep going until ended: what the log of the source brings, soon after it was committed there" };

    private static readonly Option<string?> Pause = new("--pause") { Description = "With --follow: time between two rounds. Default 1 second", HelpName = "I" };

    private static readonly Option<bool> Explain = new("--explain") { Description = "Refresh nothing; print the rights that are missing and what would be run on each server" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "refresh", "Brings tables up to date", "omnipg mimeo refresh dw.orders dw.customers", RunAsync, Destinations, Group, RepullOption, Limit, KeepReaders, Nulls, Due, Kind, Most, AtOnce, PerSource, Follow, Pause, Explain);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        if (session.Get(Limit) <= 0)
            throw new UsageException($"--limit '{session.Get(Limit)}' must be positive.");
        var options = new RefreshOptions { Limit = session.Get(Limit), Repull = RepullOf(session.Get(RepullOption)), KeepReaders = session.Get(KeepReaders), NullCursor = NullsOf(session.Get(Nulls)) };
        var mimeo = MimeoCommands.Open(session);
        var tables = await TablesAsync(mimeo, session.Get(Destinations), cancellationToken);
        if (session.Get(Explain) && (session.Get(Due) || session.Get(Group) || session.Get(Follow)))
            throw new UsageException("--explain takes no --due, --group or --follow.");
        if (session.Get(Due))
            return await RefreshDueAsync(session, mimeo, tables.Length > 0 || session.Get(Group) || session.Get(Follow) || options.KeepReaders || options.Limit is not null || options.Repull is not null || session.Get(Nulls) is not null, cancellationToken);
        if (tables.Length == 0)
            throw new UsageException("refresh needs tables, or --due.");
        if (session.Get(Kind) is not null || session.Get(Most) is not null || session.Get(AtOnce) is not null || session.Get(PerSource) is not null)
            throw new UsageException("--kind, --max, --parallel and --per-source need --due.");
        if (session.Get(Pause) is not null && !session.Get(Follow))
            throw new UsageException("--pause needs --follow.");
        if (session.Get(Explain))
            return await ExplainAsync(session, mimeo, tables, options, cancellationToken);
        if (session.Get(Follow))
        {
            if (session.Get(Group) || options.Limit is not null || options.Repull is not null || options.KeepReaders || session.Get(Nulls) is not null)
                throw new UsageException("--follow takes no --group, --limit, --repull, --keep-readers or --nulls.");
            var pause = CliSession.Interval(session.Get(Pause), Pause.Name)?.Estimate ?? TimeSpan.FromSeconds(1);
            if (pause <= TimeSpan.Zero)
                throw new UsageException("--pause must be positive.");
            return await MimeoFollow.RunAsync(session, mimeo, tables, pause, result =>
            {
                Write(session, [result]);
                Tell(session, result);
            }, cancellationToken);
        }
        if (session.Get(Group))
        {
            if (options.Limit is not null || options.Repull is not null || session.Get(Nulls) is not null)
                throw new UsageException("--limit, --repull and --nulls mean nothing for a --group.");
            var together = await MimeoProgress.RunAsync(session, progress => mimeo.RefreshGroupAsync(tables, progress: progress, cancellationToken: cancellationToken));
            Write(session, together);
            return together.Max(result => Tell(session, result));
        }
        var results = new List<RefreshResult>();
        var worst = ExitCodes.Done;
        foreach (var table in tables)
        {
            try
            {
                var result = await MimeoProgress.RunAsync(session, progress => mimeo.RefreshAsync(table, options, progress, cancellationToken));
                results.Add(result);
                worst = Math.Max(worst, Tell(session, result));
            }
            // An option may mean nothing for one table, and a stored connection may be none: that is no reason to leave the others.
            catch (Exception error) when (tables.Length > 1 && error is (MimeoException or ArgumentException or FormatException))
            {
                session.Error.WriteLine($"omnipg: {table}: {(error is MimeoException ? error.Message : ErrorReport.OneLine(error))}");
                worst = ExitCodes.Failed;
            }
        }
        Write(session, results);
        return worst;
    }

    private static async Task<int> ExplainAsync(CliSession session, MimeoClient mimeo, QualifiedName[] tables, RefreshOptions options, CancellationToken cancellationToken)
    {
        var (plans, worst) = (new List<ExplainResult>(), ExitCodes.Done);
        foreach (var table in tables)
        {
            try
            {
                plans.Add(await mimeo.ExplainRefreshAsync(table, options, cancellationToken));
            }
            catch (Exception error) when (tables.Length > 1 && error is (MimeoException or ArgumentException or FormatException))
            {
                session.Error.WriteLine($"omnipg: {table}: {(error is MimeoException ? error.Message : ErrorReport.OneLine(error))}");
                worst = ExitCodes.Failed;
            }
        }
        return Math.Max(worst, MimeoExplain.WriteRefreshes(session, plans));
    }

    private static async Task<int> RefreshDueAsync(CliSession session, MimeoClient mimeo, bool contradicts, CancellationToken cancellationToken)
    {
        if (contradicts)
            throw new UsageException("--due takes no table and no --group, --limit, --repull, --keep-readers, --nulls or --follow.");
        if (session.Get(Most) <= 0 || session.Get(AtOnce) is <= 0 or > 64 || session.Get(PerSource) <= 0)
            throw new UsageException("--max and --per-source must be positive, --parallel 1 to 64.");
        var due = new DueOptions
        {
            Kinds = session.Get(Kind) is { } kind ? [MimeoCreateCommand.KindOf(kind)] : [], MaxTables = session.Get(Most), MaxParallelTables = session.Get(AtOnce) ?? 1,
            MaxParallelPerSource = session.Get(PerSource),
        };
        var result = await MimeoProgress.RunAsync(session, progress => mimeo.RefreshDueAsync(due, progress, cancellationToken));
        Write(session, result.Results);
        foreach (var failure in result.Failures)
            session.Error.WriteLine($"omnipg: {failure.Destination}: {(failure.Error is MimeoException ? failure.Error.Message : ErrorReport.OneLine(failure.Error))}");
        var worst = result.Results.Select(r => Tell(session, r)).DefaultIfEmpty(ExitCodes.Done).Max();
        return result.Failures.Count > 0 ? ExitCodes.Failed : worst;
    }

    private static int Tell(CliSession session, RefreshResult result)
    {
        foreach (var warning in result.Warnings)
            session.Error.WriteLine($"omnipg: {result.Destination}: {warning}");
        return result.Warnings.Count > 0 || result.Status == RefreshStatus.SkippedLocked ? ExitCodes.Attention : ExitCodes.Done;
    }

    private static async Task<QualifiedName[]> TablesAsync(MimeoClient mimeo, string[] names, CancellationToken cancellationToken)
    {
        var managed = names.Any(MimeoCommands.IsPattern) ? (await mimeo.ListAsync(cancellationToken)).Select(t => t.Target).ToArray() : [];
        return [.. names.SelectMany(name => !MimeoCommands.IsPattern(name) ? [MimeoCommands.NameOf(name)]
            : MimeoCommands.Fitting(name, managed) is [_, ..] fitting ? fitting : throw new UsageException($"No managed table fits '{name}'.")).Distinct()];
    }

    private static NullCursor NullsOf(string? option) => option switch
    {
        null or "warn" => NullCursor.Warn,
        "ignore" => NullCursor.Ignore,
        "fail" => NullCursor.Fail,
        var other => throw new UsageException($"--nulls '{other}' is none of warn, ignore, fail."),
    };

    private static Repull? RepullOf(string? option) => option switch
    {
        null => null,
        "all" => Repull.All,
        var range when MimeoCommands.RangeOf(range) is (var from, var to) => Repull.Between(from, to),
        var other => throw new UsageException($"--repull '{other}' is neither all nor FROM..TO."),
    };

    private static void Write(CliSession session, IReadOnlyList<RefreshResult> results) => session.WriteList(
        ["Table", "Status", new CliColumn("Rows", Right: true), new CliColumn("Bytes", Right: true), new CliColumn("Seconds", Right: true)],
        results,
        r =>
        [
            r.Destination.ToString(), r.Status.ToString(), r.Rows.ToString(CultureInfo.InvariantCulture), r.Bytes.ToString(CultureInfo.InvariantCulture),
            r.Elapsed.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture),
        ],
        (json, result) =>
        {
            json.WriteString("destination", result.Destination.ToString());
            json.WriteString("status", result.Status.ToString());
            json.WriteNumber("rows", result.Rows);
            json.WriteNumber("bytes", result.Bytes);
            json.WriteNumber("seconds", result.Elapsed.TotalSeconds);
            json.WriteString("lastValue", result.LastValue);
        });
}
