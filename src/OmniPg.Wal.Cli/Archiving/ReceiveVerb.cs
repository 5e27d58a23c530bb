namespace OmniPg.Wal.Cli;

/// <summary>Receives WAL while the server writes it: pg_receivewal with destinations.</summary>
internal sealed class ReceiveVerb : Verb
{
    private static readonly Option Slot = Option.Value("--slot", "NAME", "physical replication slot that keeps what is not received yet");
    private static readonly Option CreateSlot = Option.Flag("--create-slot", "create the slot when it does not exist");
    private static readonly Option Into = Option.Value("--into", "DIR", "directory for what is received, which can be restored from");
    private static readonly Option Synchronous = Option.Flag("--synchronous", "flush and confirm at once, for synchronous_standby_names");
    private static readonly Option FlushInterval = Option.Value("--flush-interval", "SEC", "otherwise flush and confirm this often (default 1)");
    private static readonly Option ReceiveTimeout = Option.Value("--receive-timeout", "SEC", "connect anew after so long a silence of the server (default 60)");
    private static readonly Option ApplicationName = Option.Value("--application-name", "NAME", "name in synchronous_standby_names (default: that of the slot)");
    private static readonly Option Begin = Option.Flag("--begin", "begin an empty directory, and new archives, although the slot was used before; once");

    public override string Name => "receive";

    public override string Summary => "receive WAL from the server while it is written";

    public override string Example => "omnipg-wal receive --connection 'Host=db1;Username=receiver' --slot omnipg --create-slot --into /mnt/wal --dst-local zstd=/mnt/archive --synchronous";

    public override IReadOnlyList<Option> Options { get; } =
        [BackupOptions.Connection, Slot, CreateSlot, Into, Synchronous, FlushInterval, ReceiveTimeout, ApplicationName, Begin, .. ArchiveOptions.ForReceiver];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var options = new WalReceiverOptions
        {
            Slot = arguments.Require(Slot),
            CreateSlot = arguments.Has(CreateSlot),
            Directory = arguments.Require(Into),
            Begin = arguments.Has(Begin),
            ApplicationName = arguments.Get(ApplicationName),
            Synchronous = arguments.Has(Synchronous),
            Validation = CommonOptions.Validation(arguments, ArchiveOptions.Validate),
            StateDirectory = arguments.Get(ArchiveOptions.State),
            Destinations = ArchiveOptions.ReadDestinations(arguments),
        };
        options.FlushInterval = arguments.Seconds(FlushInterval) ?? options.FlushInterval;
        options.ReceiveTimeout = arguments.Seconds(ReceiveTimeout) ?? options.ReceiveTimeout;
        await new WalReceiver(BackupOptions.ConnectionText(arguments), options, context.Logs, context.Time).RunAsync(cancellationToken);
        return ExitCodes.Done;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);
}
