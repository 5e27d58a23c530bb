using System.CommandLine;
using System.Globalization;
using OmniPg.Mimeo;

namespace OmniPg.Cli;

internal static class MimeoSnapshots
{
    private static readonly Argument<string[]> Tables = new("DEST") { Description = "Snapshots here. Default all", Arity = ArgumentArity.ZeroOrMore };

    private static readonly Option<bool> Exact = new("--exact") { Description = "Let the source count its rows, which reads all of them. Default: what its statistics say" };

    private static readonly Option<long?> MinRows = new("--min-rows") { Description = "Name those with at least so many rows, or with --min-bytes; exit code 1 where there is one", HelpName = "N" };

    private static readonly Option<long?> MinBytes = new("--min-bytes") { Description = "Name those with at least so many bytes", HelpName = "N" };

    public static Command Create(CliHost host) => CliCommand.Create(
        host, "snapshots", "How large the sources of snapshots are, which each refresh reads as a whole", "omnipg mimeo snapshots --min-rows 1000000", RunAsync, Tables, Exact, MinRows, MinBytes);

    // A source that is away keeps nobody from the others.
    private static async Task<int> RunAsync(CliSession session, CancellationToken cancellationToken)
    {
        if (session.Get(MinRows) < 0 || session.Get(MinBytes) < 0)
            throw new UsageException("--min-rows and --min-bytes must not be negative.");
        var mimeo = MimeoCommands.Open(session);
        var named = session.Get(Tables).Select(MimeoCommands.NameOf).ToArray();
        var tables = named.Length > 0 ? named : [.. (await mimeo.ListAsync(cancellationToken)).Where(t => t.Kind == ReplicationKind.Snapshot).Select(t => t.Target)];
        var (found, worst) = (new List<SnapshotSize>(), ExitCodes.Done);
        foreach (var table in tables)
        {
            try
            {
                found.AddRange(await mimeo.SnapshotMonitorAsync(new SnapshotMonitorOptions { Destination = table, Exact = session.Get(Exact), MinRows = session.Get(MinRows), MinBytes = session.Get(MinBytes) }, cancellationToken));
            }
            catch (Exception error) when (error is MimeoException or ArgumentException)
            {
                session.Error.WriteLine($"omnipg: {table}: {ErrorReport.OneLine(error)}");
                worst = ExitCodes.Failed;
            }
        }
        session.WriteList(["Table", "From", "Source", new CliColumn("Rows", Right: true), new CliColumn("Bytes", Right: true)], found,
            s => [s.Destination.ToString(), s.From, s.Source.ToString(), s.Rows?.ToString(CultureInfo.InvariantCulture), s.Bytes.ToString(CultureInfo.InvariantCulture)], (json, size) =>
            {
                json.WriteString("destination", size.Destination.ToString());
                json.WriteString("from", size.From);
                json.WriteString("source", size.Source.ToString());
                if (size.Rows is { } rows)
                    json.WriteNumber("rows", rows);
                else
                    json.WriteNull("rows");
                json.WriteNumber("bytes", size.Bytes);
            });
        return found.Count > 0 && (session.Get(MinRows) ?? session.Get(MinBytes)) is not null ? Math.Max(worst, ExitCodes.Attention) : worst;
    }
}
