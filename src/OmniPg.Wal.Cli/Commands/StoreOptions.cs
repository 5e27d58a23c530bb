using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using OmniPg.Storage.Azure;
using OmniPg.Storage.S3;

namespace OmniPg.Wal.Cli;

/// <summary>Places of archives: a directory, <c>s3://BUCKET/PREFIX</c>, <c>azure://CONTAINER/PREFIX</c>; and the options that lead to a bucket.</summary>
internal static class StoreOptions
{
    public const string AzureConnection = "AZURE_STORAGE_CONNECTION_STRING";

    private const string S3 = "s3://";
    private const string Azure = "azure://";

    private static readonly Option Endpoint = Option.Value("--s3-endpoint", "URL", "server of s3:// places (default: Amazon's); credentials from AWS_* or the profile");
    private static readonly Option Region = Option.Value("--s3-region", "R", "region of s3:// places (default: AWS_REGION or the profile's)");
    private static readonly Option PathStyle = Option.Flag("--s3-path-style", "name the bucket in the path (default with --s3-endpoint)");

    /// <summary>Encrypts what a verb stores.</summary>
    public static readonly Option Encrypt = Option.Value("--encrypt", "KEYFILE", "encrypt what is stored with this key (see keygen)");

    private static readonly Option Key = Option.Many("--key", "KEYFILE", "key that archived files are encrypted with; of rotated keys each");

    private static readonly Option Archive = Option.Value("--archive", "[CODEC=]PLACE", "the archive: a directory, s3://BUCKET/PREFIX or azure://CONTAINER/PREFIX", "-a");

    public static IReadOnlyList<Option> All { get; } = [Endpoint, Region, PathStyle, Key];

    /// <summary>Of the verbs that work on one archive.</summary>
    public static IReadOnlyList<Option> OfArchive { get; } = [Archive, .. All];

    /// <summary>The archive that a verb works on.</summary>
    public static IObjectStore OpenArchive(Arguments arguments, ProgramContext context) => Open(ArchivePlace(arguments), arguments, context.Logs);

    /// <summary>The same, to read only, whatever tool archived there.</summary>
    public static IObjectStore OpenArchiveToRead(Arguments arguments, ProgramContext context) => OpenToRead(ArchivePlace(arguments), arguments, context.Logs);

    /// <summary>Where it is, without codec prefix.</summary>
    public static string ArchivePlace(Arguments arguments)
    {
        try
        {
            return WalLocation.Parse(arguments.Require(Archive)).Path;
        }
        catch (FormatException e)
        {
            throw new UsageException($"The option {Archive.Name} is wrong: {e.Message}");
        }
    }

    public static bool IsRemote(string place) => place.StartsWith(S3, StringComparison.Ordinal) || place.StartsWith(Azure, StringComparison.Ordinal);

    /// <summary>The store at a place, without codec prefix. Lives as long as the process.</summary>
    /// <exception cref="UsageException">The place names no bucket, or the way to it is incomplete.</exception>
    /// <exception cref="WalEncryptionException">A key file cannot be used.</exception>
    public static IObjectStore Open(string place, Arguments arguments, ILoggerFactory? logs = null) => Keyed(OpenPlain(place, arguments, logs), arguments);

    /// <summary>The same, to read only: what pgBackRest, WAL-G or Barman archived there is seen too.</summary>
    public static IObjectStore OpenToRead(string place, Arguments arguments, ILoggerFactory? logs = null)
    {
        var store = OpenPlain(place, arguments, logs);
        // In a folder three looks tell; a bucket is asked only when a file is not there.
        return Keyed(store is not DirectoryObjectStore { Root: var root } || IsForeign(root) ? new ForeignArchive(store) : store, arguments);
    }

    private static bool IsForeign(string root) => File.Exists(Path.Combine(root, "archive.info")) || Directory.Exists(Path.Combine(root, "wal_005")) || Directory.Exists(Path.Combine(root, "wals"));

    private static IObjectStore Keyed(IObjectStore store, Arguments arguments)
    {
        string[] files = arguments.Get(Encrypt) is { } current ? [current, .. arguments.All(Key)] : [.. arguments.All(Key)];
        return files.Length == 0 ? store : new EncryptedObjectStore(store, new WalKeyRing([.. files.Select(WalEncryptionKey.ReadFile)]));
    }

    private static IObjectStore OpenPlain(string place, Arguments arguments, ILoggerFactory? logs)
    {
        try
        {
            if (place.StartsWith(S3, StringComparison.Ordinal))
                return InS3(place[S3.Length..], arguments, logs);
            return place.StartsWith(Azure, StringComparison.Ordinal) ? InAzure(place[Azure.Length..]) : new DirectoryObjectStore(place);
        }
        catch (Exception wrong) when (wrong is OptionsValidationException or FormatException)
        {
            throw new UsageException($"The place '{place}' is wrong: {wrong.Message}");
        }
    }

    private static S3ObjectStore InS3(string place, Arguments arguments, ILoggerFactory? logs)
    {
        var (bucket, prefix) = Split(place);
        return new S3ObjectStore(
            new S3ObjectStoreOptions
            {
                Bucket = bucket,
                Prefix = prefix,
                Endpoint = arguments.Get(Endpoint) is { } url ? new Uri(url) : null,
                Region = arguments.Get(Region),
                PathStyle = arguments.Has(PathStyle) ? true : null,
            }, logs);
    }

    private static AzureBlobStore InAzure(string place)
    {
        var (container, prefix) = Split(place);
        var connection = Environment.GetEnvironmentVariable(AzureConnection);
        return string.IsNullOrEmpty(connection)
            ? throw new UsageException($"The place '{Azure}{place}' needs the account: set {AzureConnection} to its connection string.")
            : new AzureBlobStore(new AzureBlobStoreOptions { Container = container, Prefix = prefix, ConnectionString = connection });
    }

    private static (string Container, string Prefix) Split(string place)
    {
        var parts = place.Split('/', 2);
        return (parts[0], parts.Length == 2 ? parts[1].Trim('/') : "");
    }
}
