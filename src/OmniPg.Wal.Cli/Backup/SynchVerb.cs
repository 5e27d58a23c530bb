namespace OmniPg.Wal.Cli;

/// <summary>Copies the files of a running server to new standbys: omnipitr-synch.</summary>
internal sealed class SynchVerb : Verb
{
    private const string Yes = "YES";

    private static readonly Option Output = Option.Many("--output", "[[USER@]HOST:]DIR", "a new data directory, here or on a host that ssh leads to; all are filled from one read", "-o");
    private static readonly Option Map = Option.Many("--map", "FROM:TO", "a tablespace whose path begins with FROM has TO in its place in the copies; applied in order", "-m");
    private static readonly Option DataDirectory = CommonOptions.DataDirectory with { Help = "data directory of the server (default: asked of the server)" };
    private static readonly Option Automatic = Option.Flag("--automatic", "copy without asking", "-a");
    private static readonly Option DryRun = Option.Flag("--dry-run", "print the plan and change nothing");
    private static readonly Option Overwrite = Option.Flag("--overwrite", "empty folders that hold a stopped server of this cluster, or what a failed copy left");
    private static readonly Option SkipWal = Option.Flag("--skip-xlogs", "leave out the WAL without which the copy is not consistent: it fetches that itself", "-sx");
    private static readonly Option WithoutSignal = Option.Flag("--without-signal", "write no standby.signal: the copy opens for writing, and archives under the same names as the server");
    private static readonly Option Spread = Option.Flag("--spread-checkpoint", "let the server take its time for the checkpoint at the start");
    private static readonly Option Shell = Option.Value("--ssh-path", "PROGRAM", "the program that runs a command on another host (default ssh)");

    public override string Name => "synch";

    public override string Summary => "copy the files of the running server on this machine to new standbys, here or on other hosts";

    public override string Example => "omnipg-wal synch --connection 'Host=/run/postgresql;Username=postgres' --output standby1:/var/lib/postgresql/15/main --automatic";

    public override string LogName => "omnipitr-synch";

    public override IReadOnlyList<Option> Options { get; } =
    [
        BackupOptions.Connection, DataDirectory, Output, Map, Automatic, DryRun, Overwrite, SkipWal, WithoutSignal, Spread, Shell,
        Option.Refused("--compress", "ssh compresses: 'Compression yes' in its configuration", "-c"), Option.Refused("--rsync", "copies are sent as tar streams, read once for all places", "-r"),
    ];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        arguments.Require(Output);
        var options = new ClusterCopyOptions
        {
            Targets = arguments.All(Output),
            TablespaceMap = [.. arguments.All(Map).Select(Rule)],
            Overwrite = arguments.Has(Overwrite),
            DataDirectory = arguments.Get(DataDirectory),
            FastCheckpoint = !arguments.Has(Spread),
            IncludeWal = !arguments.Has(SkipWal),
            Standby = !arguments.Has(WithoutSignal),
        };
        options.RemoteShell = arguments.Get(Shell) ?? options.RemoteShell;
        await using var server = BackupOptions.Connect(arguments);
        var copy = new ClusterCopy(server, options, context.Logs, context.Time);
        var plan = await copy.PlanAsync(cancellationToken);
        if (arguments.Has(DryRun))
        {
            await context.Output.WriteLineAsync(Text(plan));
            return plan.Problems.Count == 0 ? ExitCodes.Done : ExitCodes.DestinationFailed;
        }

        if (plan.Problems.Count == 0 && !arguments.Has(Automatic) && !await IsWantedAsync(plan, context, cancellationToken))
            return ExitCodes.DestinationFailed;
        using var progress = ProgressLine.Start(context);
        var result = await copy.ExecuteAsync(plan, progress, cancellationToken);
        progress?.Dispose();
        context.Report($"copied {result.Files} files, {result.Bytes} bytes, consistent at {result.StopLsn}, to {string.Join(", ", result.Locations.Select(l => $"'{OneLine.Of(l)}'"))}");
        return ExitCodes.Done;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);

    // As the original: this word, and no other.
    private static async Task<bool> IsWantedAsync(ClusterCopyPlan plan, ProgramContext context, CancellationToken cancellationToken)
    {
        await context.Error.WriteAsync($"{Text(plan)}\nCopy? (enter: {Yes}): ");
        await context.Error.FlushAsync(cancellationToken);
        using var input = new StreamReader(Console.OpenStandardInput());
        // A read that waits for a terminal hears no cancellation.
        if (await input.ReadLineAsync(cancellationToken).AsTask().WaitAsync(cancellationToken) == Yes)
            return true;
        await context.Error.WriteLineAsync("Nothing was copied.");
        return false;
    }

    private static string Text(ClusterCopyPlan plan) => string.Join('\n', plan.ToString().Split('\n').Select(OneLine.Of));

    private static KeyValuePair<string, string> Rule(string text) => text.IndexOf(":/", StringComparison.Ordinal) is > 0 and var at
        ? new(text[..at], text[(at + 1)..])
        : throw RecoveryOptions.Wrong(Map, text, "two absolute paths, FROM:TO");
}
