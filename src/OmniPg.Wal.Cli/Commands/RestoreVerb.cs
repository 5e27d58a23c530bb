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
            PrefetchProcess.TryStart(arguments, context.Logs.CreateLogger(Name));
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

    public override int ExitCodeOf(Arguments? arguments, Exception error) => RestoreExitCode.OfTrouble(arguments);
}
