namespace OmniPg.Wal.Cli;

/// <summary>The resident mode: several files at the same time, ahead of the server's requests.</summary>
internal sealed class ResidentVerb : Verb
{
    private static readonly Option Spool = Option.Value("--spool", "DIR", "directory for answers, on a local disk");
    private static readonly Option ProcessMax = Option.Value("--process-max", "N", "archive N files at the same time (default: one per processor)");

    public override string Name => "resident";

    public override string Summary => "archive ahead of the server; archive --socket asks it";

    public override string Example =>
        "omnipg-wal resident -D /var/lib/postgresql/15/main --dst-local zstd=/mnt/a --spool /var/spool/omnipg --socket /run/omnipg.sock";

    public override string LogName => "omnipitr-archive";

    public override IReadOnlyList<Option> Options { get; } = [.. ArchiveOptions.All, Spool, ProcessMax];

    protected override int UsageCode => ExitCodes.Usage;

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var options = new WalResidentOptions { SpoolDirectory = arguments.Require(Spool), SocketPath = arguments.Get(ArchiveOptions.Socket) };
        if (arguments.Integer(ProcessMax, 1) is { } processMax)
            options.ProcessMax = processMax;
        await using var archiver = new WalArchiver(ArchiveOptions.Read(arguments), context.Logs, context.Time);
        var log = context.Logs.CreateLogger(Name);
        await foreach (var happened in new WalResident(archiver, options).RunAsync(cancellationToken))
        {
            if (happened.Kind == ArchiveEventKind.Backlog)
                ProgramLog.Backlog(log, happened.Backlog);
            else if (happened.Error is { } error)
                ProgramLog.NotArchived(log, happened.File?.ToString() ?? "", error.Message);
        }

        // The mode ends by itself when it is stopped; what stopped it is the exit code.
        cancellationToken.ThrowIfCancellationRequested();
        return ExitCodes.Done;
    }
}
