using System.Text.Json;

namespace OmniPg.Wal.Cli;

/// <summary>The backups of a store: listed, kept, deleted.</summary>
internal sealed class BackupsVerb : Verb
{
    public override string Name => "backups";

    public override string Summary => "list base backups; 'keep ID' and 'unkeep ID' mark one to outlive retention, 'verify ID' reads one, 'delete ID' removes one";

    public override string Operands => "[keep ID | unkeep ID | verify ID | delete ID]";

    public override string Example => "omnipg-wal backups --source /mnt/backup --json";

    public override IReadOnlyList<Option> Options { get; } = [BackupOptions.Source, BackupOptions.Archive, .. StoreOptions.All, CommonOptions.Json];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        var catalog = new BackupCatalog(BackupOptions.Open(arguments, BackupOptions.Source, context), context.Logs);
        switch (arguments.Operands)
        {
            case []:
                var damaged = new List<WalBackupException>();
                var hidden = new List<HiddenBackup>();
                var backups = await catalog.ListAsync(damaged.Add, hidden.Add, cancellationToken);
                var foreign = await catalog.ListForeignAsync(BackupOptions.OpenIfGiven(arguments, BackupOptions.Archive, context), cancellationToken);
                var removals = await catalog.ListRemovalsAsync(cancellationToken);
                if (arguments.Has(CommonOptions.Json))
                    JsonDocumentWriter.Write(context, json => WriteJson(json, backups, foreign, hidden, removals));
                else
                    WriteText(context.Output, backups, foreign, hidden, removals, damaged.Count);
                return hidden.Count > 0 ? ExitCodes.CodecOrKeyUnavailable : damaged.Count == 0 ? ExitCodes.Done : ExitCodes.InvalidSegment;
            case ["keep", var id]:
                await catalog.KeepAsync(id, cancellationToken);
                return ExitCodes.Done;
            case ["unkeep", var id]:
                await catalog.UnkeepAsync(id, cancellationToken);
                return ExitCodes.Done;
            case ["verify", var id]:
                return await VerifyAsync(catalog, id, arguments, context, cancellationToken);
            case ["delete", var id]:
                await catalog.DeleteAsync(id, cancellationToken);
                return ExitCodes.Done;
            default:
                throw new UsageException($"Expected nothing, 'keep ID', 'unkeep ID', 'verify ID' or 'delete ID', got '{OneLine.Of(string.Join(' ', arguments.Operands))}'.");
        }
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);

    private static async Task<int> VerifyAsync(BackupCatalog catalog, string id, Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        BackupVerifyResult result;
        using (var progress = ProgressLine.Start(context))
            result = await catalog.VerifyAsync(id == "latest" ? null : id, BackupOptions.OpenIfGiven(arguments, BackupOptions.Archive, context), progress, cancellationToken);
        if (arguments.Has(CommonOptions.Json))
        {
            JsonDocumentWriter.Write(context, json =>
            {
                BackupListing.WriteMembers(json, result.Backup);
                json.WriteBoolean("walChecked", result.IsWalChecked);
                json.WriteStartArray("problems");
                foreach (var problem in result.Problems)
                    json.WriteStringValue(problem);
                json.WriteEndArray();
            });
        }
        else
        {
            foreach (var problem in result.Problems)
                await context.Output.WriteLineAsync($"{result.Backup.Id}: {OneLine.Of(problem)}");
            if (result.IsGood)
                await context.Output.WriteLineAsync($"{result.Backup.Id}: {result.Backup.Parts.Count} parts are what was backed up, {(result.IsWalChecked ? "and the WAL that it needs is there" : "its WAL was not looked at (name --archive)")}");
        }

        return result.IsGood ? ExitCodes.Done : ExitCodes.InvalidSegment;
    }

    private static void WriteJson(Utf8JsonWriter json, IReadOnlyList<BackupInfo> backups, IReadOnlyList<ForeignBackup> foreign, List<HiddenBackup> hidden, IReadOnlyList<RemovalUnderway> removals)
    {
        BackupListing.WriteAll(json, backups);
        BackupListing.WriteForeign(json, foreign);
        json.WriteStartArray("encrypted");
        foreach (var backup in hidden)
        {
            json.WriteStartObject();
            json.WriteString("id", backup.Id);
            ListingJson.WriteTime(json, "start", backup.Started);
            json.WriteNumber("storedBytes", backup.StoredBytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("removals");
        foreach (var removal in removals)
        {
            json.WriteStartObject();
            json.WriteString("id", removal.Id);
            ListingJson.WriteTime(json, "since", removal.Since);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteText(TextWriter output, IReadOnlyList<BackupInfo> backups, IReadOnlyList<ForeignBackup> foreign, List<HiddenBackup> hidden, IReadOnlyList<RemovalUnderway> removals, int damaged)
    {
        foreach (var backup in backups)
            output.WriteLine(BackupListing.Line(backup));
        foreach (var backup in foreign)
            output.WriteLine(BackupListing.Line(backup));
        foreach (var backup in hidden)
            output.WriteLine($"{backup.Id}: from {ListingJson.Text(backup.Started)}, {backup.StoredBytes} bytes stored, encrypted with a key that was not given (--key)");
        foreach (var removal in removals.Where(r => backups.All(b => b.Id != r.Id)))
            output.WriteLine($"{removal.Id}: is being removed since {ListingJson.Text(removal.Since)}, or its removal was killed");
        if (backups.Count + foreign.Count + hidden.Count == 0)
            output.WriteLine("no backups");
        if (damaged > 0)
            output.WriteLine($"{damaged} entries cannot be read");
    }
}
