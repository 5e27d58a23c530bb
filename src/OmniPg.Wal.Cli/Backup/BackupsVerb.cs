namespace OmniPg.Wal.Cli;

/// <summary>The backups of a store: listed, kept, deleted.</summary>
internal sealed class BackupsVerb : Verb
{
    public override string Name => "backups";

    public override string Summary => "list base backups; 'keep ID' and 'unkeep ID' mark one to outlive retention, 'delete ID' removes one";

    public override string Operands => "[keep ID | unkeep ID | delete ID]";

    public override string Example => "omnipg-wal backups --source /mnt/backup --json";

    public override IReadOnlyList<Option> Options { get; } = [BackupOptions.Source, .. StoreOptions.All, CommonOptions.Json];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        var catalog = new BackupCatalog(BackupOptions.Open(arguments, BackupOptions.Source, context), context.Logs);
        switch (arguments.Operands)
        {
            case []:
                var backups = await catalog.ListAsync(cancellationToken);
                if (arguments.Has(CommonOptions.Json))
                    JsonDocumentWriter.Write(context, json => BackupListing.WriteAll(json, backups));
                else
                    WriteText(context.Output, backups);
                return ExitCodes.Done;
            case ["keep", var id]:
                await catalog.KeepAsync(id, cancellationToken);
                return ExitCodes.Done;
            case ["unkeep", var id]:
                await catalog.UnkeepAsync(id, cancellationToken);
                return ExitCodes.Done;
            case ["delete", var id]:
                await catalog.DeleteAsync(id, cancellationToken);
                return ExitCodes.Done;
            default:
                throw new UsageException($"Expected nothing, 'keep ID', 'unkeep ID' or 'delete ID', got '{OneLine.Of(string.Join(' ', arguments.Operands))}'.");
        }
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);

    private static void WriteText(TextWriter output, IReadOnlyList<BackupInfo> backups)
    {
        foreach (var backup in backups)
            output.WriteLine(BackupListing.Line(backup));
        if (backups.Count == 0)
            output.WriteLine("no backups");
    }
}
