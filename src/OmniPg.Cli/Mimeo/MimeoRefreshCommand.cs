using System.CommandLine;
using System.Globalization;
using OmniPg.Mimeo;

namespace OmniPg.Cli;

internal static class MimeoRefreshCommand
{
    private static readonly Argument<string[]> Destinations = new("DEST") { Description = "Tables here, one after another; one that fails does not stop the others", Arity = ArgumentArity.OneOrMore };

    private static readonly Option<string?> RepullOption = new("--repull") { Description = "Replace all rows, or those between two values, which stay themselves", HelpName = "all|FROM..TO" };

    private static readonly Option<int?> Limit = new("--limit") { Description = "Most rows, or changes, this time", HelpName = "N" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "refresh", "Brings tables up to date", "omnipg mimeo refresh dw.orders dw.customers", RunAsync, Destinations, RepullOption, Limit);

    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        if (session.Get(Limit) <= 0)
            throw new UsageException($"--limit '{session.Get(Limit)}' must be positive.");
        var options = new RefreshOptions { Limit = session.Get(Limit), Repull = RepullOf(session.Get(RepullOption)) };
        var tables = session.Get(Destinations).Select(MimeoCommands.NameOf).ToArray();
        var mimeo = MimeoCommands.Open(session);
        var results = new List<RefreshResult>();
        var worst = ExitCodes.Done;
        foreach (var table in tables)
        {
            try
            {
                var result = await mimeo.RefreshAsync(table, options, cancellationToken: cancellationToken);
                results.Add(result);
                foreach (var warning in result.Warnings)
                    session.Error.WriteLine($"omnipg: {table}: {warning}");
                if (result.Warnings.Count > 0 || result.Status == RefreshStatus.SkippedLocked)
                    worst = Math.Max(worst, ExitCodes.Attention);
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

    private static Repull? RepullOf(string? option) => option switch
    {
        null => null,
        "all" => Repull.All,
        var range when range.Split("..") is [var from, var to] && (from + to).Length > 0 => Repull.Between(from.Length > 0 ? from : null, to.Length > 0 ? to : null),
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
