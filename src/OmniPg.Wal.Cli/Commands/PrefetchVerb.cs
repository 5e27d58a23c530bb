namespace OmniPg.Wal.Cli;

/// <summary>The background process of <c>restore --spool</c>.</summary>
internal sealed class PrefetchVerb : Verb
{
    public override string Name => "prefetch";

    public override string Summary => "fetch ahead for a recovering server; started by restore --spool";

    public override string Example => "omnipg-wal prefetch --source /mnt/archive --spool /var/spool/omnipg --process-max 2";

    public override string LogName => "omnipitr-restore";

    public override bool IsInternal => true;

    public override IReadOnlyList<Option> Options => RestoreOptions.All;

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.Require(RestoreOptions.Spool);
        await new WalRestorer(RestoreOptions.Read(arguments), context.Logs, context.Time).RunPrefetchAsync(cancellationToken);
        return ExitCodes.Done;
    }
}
