using System.CommandLine;
using Microsoft.Extensions.Options;
using OmniPg.Storage.S3;

namespace OmniPg.Cli;

/// <summary>Where expired partitions are archived: a directory or <c>s3://BUCKET/PREFIX</c>; and the options that lead to a bucket, whose credentials are those of <c>AWS_*</c> or of the profile.</summary>
internal static class ArchivePlace
{
    private const string S3 = "s3://";

    private static readonly Option<string?> Place = new("--archive")
    {
        Description = "Directory or bucket that expired partitions of sets with --when-expired archive:PLACE go to, the same PLACE", HelpName = "DIR|s3://BUCKET/PREFIX", Recursive = true,
    };

    private static readonly Option<string?> Endpoint = new("--s3-endpoint") { Description = "Server of s3:// places. Default Amazon's; credentials from AWS_* or the profile", HelpName = "URL", Recursive = true };
    private static readonly Option<string?> Region = new("--s3-region") { Description = "Region of s3:// places. Default that of AWS_REGION or the profile", HelpName = "R", Recursive = true };
    private static readonly Option<bool> PathStyle = new("--s3-path-style") { Description = "Name the bucket in the path; the default with --s3-endpoint", Recursive = true };

    public static IReadOnlyList<Option> All { get; } = [Place, Endpoint, Region, PathStyle];

    /// <summary>The store at a place, or null without one.</summary>
    /// <param name="session">The command.</param>
    /// <param name="place">Null for that of the option.</param>
    /// <exception cref="UsageException">There is no such directory, or the place names no bucket.</exception>
    public static IObjectStore? Open(CliSession session, string? place)
    {
        place ??= CliSession.NotEmpty(session.Get(Place), Place.Name);
        if (place is null)
            return null;
        if (place.StartsWith(S3, StringComparison.Ordinal))
            return InS3(session, place[S3.Length..].Split('/', 2));
        if (place.Contains("://", StringComparison.Ordinal))
            throw new UsageException($"'{place}' is neither a directory nor {S3}BUCKET/PREFIX, and this program archives in those only; the library takes any store.");
        return Directory.Exists(place) ? new DirectoryObjectStore(place) : throw new UsageException($"'{place}' is no directory; make it before anything is archived there.");
    }

    /// <summary>The place of an archived file, and its name there.</summary>
    public static (string Place, string Name) Split(string path)
    {
        if (path.StartsWith(S3, StringComparison.Ordinal) && path.LastIndexOf('/') is var end && end >= S3.Length)
            return (path[..end], path[(end + 1)..]);
        path = Path.GetFullPath(path);
        return (Path.GetDirectoryName(path)!, Path.GetFileName(path));
    }

    private static Uri? AddressOf(string? text) => text is null ? null
        : Uri.TryCreate(text, UriKind.Absolute, out var address) ? address : throw new UsageException($"{Endpoint.Name} '{text}' is no address, such as https://storage.googleapis.com.");

    private static S3ObjectStore InS3(CliSession session, string[] parts)
    {
        var options = new S3ObjectStoreOptions
        {
            Bucket = parts[0],
            Prefix = parts.Length == 2 ? parts[1].Trim('/') : "",
            Endpoint = AddressOf(CliSession.NotEmpty(session.Get(Endpoint), Endpoint.Name)),
            Region = session.Get(Region),
            PathStyle = session.Get(PathStyle) ? true : null,
        };
        // The first link of the standard chain; where it is not there, the client asks the others.
        if (session.Host.Variable("AWS_ACCESS_KEY_ID") is { Length: > 0 } key && session.Host.Variable("AWS_SECRET_ACCESS_KEY") is { Length: > 0 } secret)
            (options.AccessKey, options.SecretKey, options.SessionToken) = (key, secret, session.Host.Variable("AWS_SESSION_TOKEN") is { Length: > 0 } token ? token : null);
        try
        {
            return new S3ObjectStore(options);
        }
        catch (OptionsValidationException wrong)
        {
            throw new UsageException($"The place '{S3}{string.Join('/', parts)}' is wrong: {wrong.Message}");
        }
    }
}
