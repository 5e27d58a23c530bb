using System.Security.Cryptography;
using System.Text.Json;

namespace OmniPg.Wal.Cli;

/// <summary>One base backup: omnipitr-backup-master.</summary>
internal sealed class BackupVerb : Verb
{
    private static readonly Option Destination = Option.Value("--dst-local", "[CODEC[:LEVEL]=]DIR", "where the backup goes; begun with 'init', or the archive itself", "-dl");
    private static readonly Option S3 = Option.Value("--dst-s3", "[CODEC[:LEVEL]=]s3://BUCKET/PREFIX", "the same in a bucket");
    private static readonly Option Azure = Option.Value("--dst-azure", "[CODEC[:LEVEL]=]azure://CONTAINER/PREFIX", "the same in a container");
    private static readonly Option Label = Option.Value("--label", "TEXT", "label of the backup (default omnipg)");
    private static readonly Option Spread = Option.Flag("--spread-checkpoint", "let the server take its time for the checkpoint at the start");
    private static readonly Option WalTimeout = Option.Value("--wal-timeout", "SEC", "how long the WAL of the backup may take to be archived (default 3600)");
    private static readonly Option Exclude = Option.Many("--exclude", "PATTERN", "leave out files that are not the server's, such as 'core.*', by their paths in the data directory");
    private static readonly Option DigestOption = Option.Many("--digest", "NAME", "write a file of digests beside the backup, such as SHA256SUMS with SHA-256; also MD5, SHA-1, SHA-384, SHA-512", "-dg");
    private static readonly Option Meta = Option.Flag("--meta", "write the lines of OmniPITR's meta file beside the backup");
    private static readonly Option NoPageChecksums = Option.Flag("--no-verify-checksums", "do not compare the pages of a cluster with data checksums with them");
    private static readonly Option Incremental = Option.Value("--incremental", "ID", "back up only what was changed since that backup, or since the newest ('latest'): PostgreSQL 17 with summarize_wal");
    private static readonly Option Method = Option.Value("--method", "NAME", "who reads the server's data: 'files', this program on the server's machine (default), or 'pg_basebackup', the server itself, from anywhere");
    private static readonly Option Bin = Option.Value("--pg-bin", "DIR", "folder of pg_basebackup (default: OMNIPG_PGBIN, the usual places and PATH)");
    private static readonly Option Staging = Option.Value("--staging", "DIR", "where pg_basebackup puts the tar files of a cluster with tablespaces meanwhile: room for all of it");
    private static readonly Option FromStandby = Option.Flag("--from-standby", "refuse a server that is no standby");
    private static readonly Option DataDirectory = CommonOptions.DataDirectory with { Help = "data directory of the server (default: asked of the server)" };

    public override string Name => "backup";

    public override string Summary => "make a base backup of a server";

    public override string Example => "omnipg-wal backup --connection 'Host=/run/postgresql;Username=backup' --dst-local zstd=/mnt/backup --archive /mnt/archive";

    // The name that omnipitr-monitor looks for.
    public override string LogName => "omnipitr-backup-master";

    public override IReadOnlyList<Option> Options { get; } =
        [BackupOptions.Connection, .. BackupOptions.ServerWords, DataDirectory, Destination, S3, Azure, BackupOptions.Archive, Label, Spread, WalTimeout, Exclude, DigestOption, Meta, NoPageChecksums, Incremental,
         Method, Bin, Staging, FromStandby, CommonOptions.MaxRate, StoreOptions.Encrypt, .. StoreOptions.All, CommonOptions.Json, .. OldBackupOptions.Refused];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        var location = Location(arguments);
        var options = new BaseBackupOptions { DataDirectory = arguments.Get(DataDirectory), FastCheckpoint = !arguments.Has(Spread), Codec = location.Codec.Name, Level = location.Level };
        options.Label = arguments.Get(Label) ?? options.Label;
        options.WalTimeout = arguments.Seconds(WalTimeout) ?? options.WalTimeout;
        options.Exclude = arguments.All(Exclude);
        options.Digests = [.. arguments.All(DigestOption).Select(AlgorithmOf)];
        options.MetaFile = arguments.Has(Meta);
        options.VerifyPages = !arguments.Has(NoPageChecksums);
        options.IncrementOf = arguments.Get(Incremental);
        options.MaxRate = arguments.Bytes(CommonOptions.MaxRate);
        options.RequireStandby = arguments.Has(FromStandby);
        SetMethod(options, arguments);
        var store = StoreOptions.Open(location.Path, arguments, context.Logs);
        var archive = BackupOptions.OpenIfGiven(arguments, BackupOptions.Archive, context);
        await using var server = BackupOptions.Connect(arguments);
        if (options.Method == BackupMethod.PgBaseBackup)
            options.Password = BackupOptions.PasswordOf(arguments);
        using var progress = ProgressLine.Start(context);
        var result = await new BaseBackup(server, store, archive, options, context.Logs, context.Time).RunAsync(progress, cancellationToken);
        progress?.Dispose();
        if (arguments.Has(CommonOptions.Json))
            JsonDocumentWriter.Write(context, json => WriteJson(json, result));
        else
            context.Report(BackupListing.Line(result.Backup));
        // The backup is the best that there is, and somebody has to look at the server.
        return result.DamagedPageCount > 0 ? ExitCodes.Attention : ExitCodes.Done;
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => BackupOptions.ExitCodeOf(error);

    private static void WriteJson(Utf8JsonWriter json, BaseBackupResult result)
    {
        BackupListing.WriteMembers(json, result.Backup);
        if (result.DamagedFiles is not { Count: > 0 } files)
            return;
        json.WriteNumber("damagedFileCount", result.DamagedFileCount);
        json.WriteStartArray("damagedFiles");
        foreach (var file in files)
        {
            json.WriteStartObject();
            json.WriteString("file", file.Path);
            json.WriteNumber("pages", file.Pages);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static HashAlgorithmName AlgorithmOf(string name)
    {
        try
        {
            return ChecksumFile.AlgorithmOf(ChecksumFile.ParseDigest(name));
        }
        catch (WalConfigurationException unknown)
        {
            throw new UsageException($"The option {DigestOption.Name} is wrong: {unknown.Message}");
        }
    }

    private static void SetMethod(BaseBackupOptions options, Arguments arguments)
    {
        options.Method = arguments.Get(Method) switch
        {
            null or "files" => BackupMethod.Files,
            "pg_basebackup" => BackupMethod.PgBaseBackup,
            "walsender" => throw new UsageException($"The option {Method.Name} is wrong: 'walsender', the replication protocol without a program, is not there; 'pg_basebackup' reads the same."),
            var other => throw new UsageException($"The option {Method.Name} is wrong: '{other}' is neither 'files' nor 'pg_basebackup'."),
        };
        (options.BinDirectory, options.StagingDirectory) = (arguments.Get(Bin), arguments.Get(Staging));
        if (options.Method == BackupMethod.PgBaseBackup)
            options.BinDirectory ??= BackupOptions.ProgramFolder;
    }

    private static WalLocation Location(Arguments arguments)
    {
        Option[] given = [.. ((Option[])[Destination, S3, Azure]).Where(arguments.Has)];
        if (given.Length > 1)
            throw new UsageException($"A backup goes to one place, and {string.Join(" and ", given.Select(o => o.Name))} are given.");
        var option = given is [var one] ? one : Destination;
        var text = arguments.Require(option);
        try
        {
            var location = WalLocation.Parse(text);
            var scheme = option == S3 ? "s3://" : option == Azure ? "azure://" : "";
            if (!location.Path.StartsWith(scheme, StringComparison.Ordinal) || (scheme.Length == 0 && StoreOptions.IsRemote(location.Path)))
                throw new FormatException($"it wants {(scheme.Length == 0 ? "a directory" : $"'{scheme}…'")}, not '{location.Path}'.");
            // Without a codec a backup is compressed; 'none=' says that it is not to be.
            return location.Codec == Codec.None && !text.StartsWith("none", StringComparison.OrdinalIgnoreCase) ? location with { Codec = Codec.Zstd } : location;
        }
        catch (FormatException e)
        {
            throw new UsageException($"The option {option.Name} is wrong: {e.Message}");
        }
    }
}
