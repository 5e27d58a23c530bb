namespace OmniPg.Wal.Cli;

/// <summary>archive_command: omnipitr-archive.</summary>
internal sealed class ArchiveVerb : Verb
{
    public override string Name => "archive";

    public override string Summary => "copy one finished WAL file to every destination (archive_command)";

    public override string Operands => "%p";

    public override string Example => "archive_command = 'omnipg-wal archive --state-dir /var/lib/omnipg --dst-local zstd=/mnt/a --dst-local lz4=/mnt/b %p'";

    public override string LogName => "omnipitr-archive";

    public override IReadOnlyList<Option> Options => ArchiveOptions.All;

    protected override int UsageCode => ExitCodes.Usage;

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(1, "the one argument %p");
        var path = arguments.Operands[0];
        if (arguments.Get(ArchiveOptions.Socket) is { } socket && await WalResidentClient.TryArchiveAsync(socket, Path.Combine(arguments.Get(CommonOptions.DataDirectory) ?? "", path), cancellationToken) is { } answer)
            return Report(answer, path, context);
        await using var archiver = new WalArchiver(ArchiveOptions.Read(arguments), context.Logs, context.Time);
        await archiver.ArchiveAsync(path, cancellationToken);
        return ExitCodes.Done;
    }

    private int Report(ResidentAnswer answer, string path, ProgramContext context)
    {
        var log = context.Logs.CreateLogger(Name);
        if (answer.Ok)
            ProgramLog.ResidentDone(log, path);
        else
            ProgramLog.ResidentFailed(log, path, answer.Message ?? "no reason given");
        return answer.Ok ? ExitCodes.Done : ExitCodes.Of(answer.Code);
    }
}
