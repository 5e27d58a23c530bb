using System.Runtime.InteropServices;

namespace OmniPg.Wal.Cli;

/// <summary>restore_command: omnipitr-restore.</summary>
internal sealed class RestoreVerb : Verb
{
    private const int SegmentNameLength = 24;
    private const int Sigusr1 = 10;
    private const int Sigusr1Mac = 30;

    public override string Name => "restore";

    public override string Summary => "hand one archived file to a recovering server (restore_command)";

    public override string Operands => "%f %p";

    public override string Example => "restore_command = 'omnipg-wal restore --source /mnt/archive --source /mnt/second %f %p'";

    public override string LogName => "omnipitr-restore";

    public override IReadOnlyList<Option> Options => RestoreOptions.All;

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(2, "the two arguments %f and %p");
        var options = RestoreOptions.Read(arguments);
        var restorer = new WalRestorer(options, context.Logs, context.Time);
        if (options.Prefetch is not null && arguments.Operands[0].Length == SegmentNameLength && !restorer.IsPrefetchRunning)
            PrefetchVerb.TryStart(arguments, context.Logs.CreateLogger(Name));
        using var finish = OperatingSystem.IsWindows()
            ? null
            : PosixSignalRegistration.Create((PosixSignal)(OperatingSystem.IsMacOS() ? Sigusr1Mac : Sigusr1), signal =>
            {
                signal.Cancel = true;
                restorer.RequestFinish();
            });
        var outcome = await restorer.RestoreAsync(arguments.Operands[0], arguments.Operands[1], cancellationToken);
        return outcome.Status == WalRestoreStatus.Restored ? ExitCodes.Done : ExitCodes.Attention;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => CodeOfTrouble(arguments);

    /// <summary>
    /// What a restore_command says when it is in trouble. PostgreSQL takes 1 to 125 as "not in the archive": with recovery.signal it then ends the
    /// recovery and opens a new timeline, although the file may be there; a standby goes on with streaming. Above 125 a recovery stops with FATAL
    /// and loses nothing, but a standby would shut down.
    /// </summary>
    /// <param name="arguments">The parsed command line, or null when it could not be parsed: then the safe answer for the current directory.</param>
    public static int CodeOfTrouble(Arguments? arguments) => arguments?.Get(RestoreOptions.OnError) switch
    {
        "abort" => ExitCodes.StopRecovery,
        "missing" => ExitCodes.DestinationFailed,
        _ => IsStandby(arguments?.Get(CommonOptions.DataDirectory) ?? ".") ? ExitCodes.DestinationFailed : ExitCodes.StopRecovery,
    };

    private static bool IsStandby(string dataDirectory) => File.Exists(Path.Combine(dataDirectory, "standby.signal"));
}
