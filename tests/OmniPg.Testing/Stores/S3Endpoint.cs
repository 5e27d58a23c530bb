using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Xml.Linq;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace OmniPg.Testing;

/// <summary>A strict S3 server in this process: verifies signatures and checksums, honours conditions, and breaks when told to. One bucket, in memory.</summary>
/// <remarks>Knows what <c>S3ObjectStore</c> asks for (Amazon S3 API Reference 2006-03-01); anything else is 501.</remarks>
public sealed class S3Endpoint : IAsyncDisposable
{
    public const string AccessKey = "OMNIPGTESTKEY";
    public const string SecretKey = "omnipg+test/secret";
    public const string Bucket = "omnipg";

    private static readonly XNamespace Xml = "http://s3.amazonaws.com/doc/2006-03-01/";

    private readonly WebApplication _app;
    private readonly ConcurrentDictionary<string, StoredObject> _objects = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Upload> _uploads = new(StringComparer.Ordinal);
    private int _requests;

    private S3Endpoint(WebApplication app) => _app = app;

    /// <summary>Address of the server.</summary>
    public Uri Url => new(_app.Urls.Single());

    /// <summary>What the server does with a write that must not replace anything.</summary>
    public S3Conditions Conditions { get; set; }

    /// <summary>Called for each request before it is done; what it returns happens instead of it or to it.</summary>
    public Func<S3Call, S3Fault?> Fault { get; set; } = _ => null;

    /// <summary>How far the server's clock is ahead of this machine's; it refuses requests that are signed more than 15 minutes off its own.</summary>
    public TimeSpan ClockOffset { get; set; }

    /// <summary>How many requests have come.</summary>
    public int Requests => Volatile.Read(ref _requests);

    /// <summary>Keys of everything stored, sorted; the client's own objects included.</summary>
    public IReadOnlyList<string> Keys => [.. _objects.Keys.Order(StringComparer.Ordinal)];

    /// <summary>How many uploads in parts are neither completed nor aborted.</summary>
    public int UnfinishedUploads => _uploads.Count;

    /// <summary>Starts a server on a free port of the loopback interface.</summary>
    public static async Task<S3Endpoint> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0").ConfigureKestrel(o => o.Limits.MaxRequestBodySize = null);
        var app = builder.Build();
        var endpoint = new S3Endpoint(app);
        app.Run(endpoint.AnswerAsync);
        await app.StartAsync();
        return endpoint;
    }

    /// <summary>Stores bytes behind the client's back.</summary>
    public void Put(string key, byte[] content) => _objects[key] = new StoredObject(content, DateTime.UtcNow, []);

    /// <summary>The bytes stored under a key.</summary>
    public byte[] Get(string key) => _objects[key].Content;

    public async ValueTask DisposeAsync() => await _app.DisposeAsync();

    private async Task AnswerAsync(HttpContext http)
    {
        Interlocked.Increment(ref _requests);
        var now = DateTime.UtcNow + ClockOffset;
        http.Response.Headers.Date = now.ToString("R", CultureInfo.InvariantCulture);
        var path = http.Features.Get<IHttpRequestFeature>()!.RawTarget.Split('?')[0];
        var parts = path[1..].Split('/', 2);
        var key = parts.Length == 2 ? Uri.UnescapeDataString(parts[1]) : "";
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body);
        var content = body.ToArray();
        var call = new S3Call(http.Request.Method, key, http.Request.QueryString.Value ?? "");

        var fault = Fault(call);
        switch (fault)
        {
            case { Cut: true, AfterWork: false }:
                http.Abort();
                return;
            case { Status: { } status, AfterWork: false }:
                await ErrorAsync(http, status, fault.Error);
                return;
            case { Hold: { } hold }:
                await hold.WaitAsync(http.RequestAborted);
                break;
        }

        if (parts[0] != Bucket)
            await ErrorAsync(http, 404, "NoSuchBucket");
        else if (S3Signature.Refusal(http.Request, path, content, AccessKey, SecretKey, now) is { } refusal)
            await ErrorAsync(http, 403, refusal);
        else if (DigestError(http.Request, content) is { } wrong)
            await ErrorAsync(http, 400, wrong);
        else if (fault is { AfterWork: true })
            await WorkButLoseTheAnswerAsync(http, key, content, fault);
        else
            await WorkAsync(http, key, content, fault);
    }

    private async Task WorkButLoseTheAnswerAsync(HttpContext http, string key, byte[] content, S3Fault fault)
    {
        var answer = http.Response.Body;
        http.Response.Body = Stream.Null;
        await WorkAsync(http, key, content, null);
        http.Response.Body = answer;
        if (fault.Cut)
        {
            http.Abort();
            return;
        }

        http.Response.Headers.Clear();
        await ErrorAsync(http, fault.Status ?? 500, fault.Error);
    }

    private Task WorkAsync(HttpContext http, string key, byte[] content, S3Fault? fault)
    {
        var query = http.Request.Query;
        return (http.Request.Method, key.Length > 0) switch
        {
            ("GET", false) when query.ContainsKey("uploads") => ListUploadsAsync(http),
            ("GET", false) => ListAsync(http),
            ("GET", true) when query.ContainsKey("uploadId") => ListPartsAsync(http, query["uploadId"]!),
            ("GET", true) or ("HEAD", true) => GetAsync(http, key, fault),
            ("PUT", true) when query.ContainsKey("partNumber") => PutPartAsync(http, content),
            ("PUT", true) => PutAsync(http, key, fault is { Truncate: true } ? content[..^1] : content, Metadata(http.Request)),
            ("POST", true) when query.ContainsKey("uploads") => BeginUploadAsync(http, key),
            ("POST", true) when query.ContainsKey("uploadId") => CompleteAsync(http, key, content),
            ("DELETE", true) when query.ContainsKey("uploadId") => AbortAsync(http),
            ("DELETE", true) => DeleteAsync(http, key),
            _ => ErrorAsync(http, 501, "NotImplemented"),
        };
    }

    private async Task PutAsync(HttpContext http, string key, byte[] content, Dictionary<string, string> metadata, string? result = null)
    {
        var stored = new StoredObject(content, DateTime.UtcNow, metadata);
        if (http.Request.Headers.IfNoneMatch == "*" && Conditions == S3Conditions.Unknown)
        {
            await ErrorAsync(http, 501, "NotImplemented");
            return;
        }

        if (http.Request.Headers.IfNoneMatch == "*" && Conditions == S3Conditions.Honoured)
        {
            if (!_objects.TryAdd(key, stored))
            {
                await ErrorAsync(http, 412, "PreconditionFailed");
                return;
            }
        }
        else
        {
            _objects[key] = stored;
        }

        http.Response.Headers.ETag = ETag(content);
        if (http.Request.Headers["x-amz-checksum-sha256"].Count > 0)
            http.Response.Headers["x-amz-checksum-sha256"] = Convert.ToBase64String(SHA256.HashData(content));
        if (result is not null)
            await http.Response.WriteAsync(result);
    }

    private async Task GetAsync(HttpContext http, string key, S3Fault? fault)
    {
        if (!_objects.TryGetValue(key, out var stored))
        {
            await ErrorAsync(http, 404, "NoSuchKey");
            return;
        }

        http.Response.Headers.ETag = ETag(stored.Content);
        http.Response.Headers.LastModified = stored.Modified.ToString("R", CultureInfo.InvariantCulture);
        http.Response.ContentLength = stored.Content.Length;
        foreach (var (name, value) in stored.Metadata)
            http.Response.Headers[name] = value;
        if (http.Request.Method == "HEAD")
            return;
        var sent = fault?.BodyBytes ?? stored.Content.Length;
        // Fewer than announced: the server closes the connection behind them.
        await http.Response.Body.WriteAsync(stored.Content.AsMemory(0, sent));
    }

    private Task DeleteAsync(HttpContext http, string key)
    {
        _objects.TryRemove(key, out _);
        http.Response.StatusCode = 204;
        return Task.CompletedTask;
    }

    private Task BeginUploadAsync(HttpContext http, string key)
    {
        var id = Guid.NewGuid().ToString("N");
        _uploads[id] = new Upload(key, Metadata(http.Request), DateTime.UtcNow, new ConcurrentDictionary<int, StoredObject>());
        return WriteAsync(http, "InitiateMultipartUploadResult", new XElement(Xml + "Bucket", Bucket), new XElement(Xml + "Key", key), new XElement(Xml + "UploadId", id));
    }

    private async Task PutPartAsync(HttpContext http, byte[] content)
    {
        if (!_uploads.TryGetValue(http.Request.Query["uploadId"]!, out var upload))
        {
            await ErrorAsync(http, 404, "NoSuchUpload");
            return;
        }

        upload.Parts[int.Parse(http.Request.Query["partNumber"]!, CultureInfo.InvariantCulture)] = new StoredObject(content, DateTime.UtcNow, []);
        http.Response.Headers.ETag = ETag(content);
        http.Response.Headers["x-amz-checksum-sha256"] = http.Request.Headers["x-amz-checksum-sha256"];
    }

    private async Task CompleteAsync(HttpContext http, string key, byte[] content)
    {
        var id = http.Request.Query["uploadId"].ToString();
        if (!_uploads.TryGetValue(id, out var upload))
        {
            await ErrorAsync(http, 404, "NoSuchUpload");
            return;
        }

        var wanted = XDocument.Load(new MemoryStream(content)).Descendants(Xml + "Part")
            .Select(p => (Number: (int)p.Element(Xml + "PartNumber")!, Tag: ((string)p.Element(Xml + "ETag")!).Trim('"'), Sha: (string?)p.Element(Xml + "ChecksumSHA256"))).ToList();
        foreach (var (number, tag, sha) in wanted)
        {
            if (!upload.Parts.TryGetValue(number, out var part) || ETag(part.Content).Trim('"') != tag || sha != Convert.ToBase64String(SHA256.HashData(part.Content)))
            {
                await ErrorAsync(http, 400, "InvalidPart");
                return;
            }
        }

        if (wanted.SkipLast(1).Any(p => upload.Parts[p.Number].Content.Length < 5 << 20))
        {
            await ErrorAsync(http, 400, "EntityTooSmall");
            return;
        }

        await PutAsync(http, key, [.. wanted.SelectMany(p => upload.Parts[p.Number].Content)], upload.Metadata, Document("CompleteMultipartUploadResult", new XElement(Xml + "Key", key)));
        if (http.Response.StatusCode == 200)
            _uploads.TryRemove(id, out _);
    }

    private Task AbortAsync(HttpContext http)
    {
        http.Response.StatusCode = _uploads.TryRemove(http.Request.Query["uploadId"]!, out _) ? 204 : 404;
        return Task.CompletedTask;
    }

    private Task ListUploadsAsync(HttpContext http) => WriteAsync(http, "ListMultipartUploadsResult",
    [
        new XElement(Xml + "IsTruncated", "false"),
        .. _uploads.Where(u => u.Value.Key.StartsWith(http.Request.Query["prefix"].ToString(), StringComparison.Ordinal))
            .Select(u => new XElement(Xml + "Upload", new XElement(Xml + "Key", u.Value.Key), new XElement(Xml + "UploadId", u.Key), new XElement(Xml + "Initiated", Iso(u.Value.Begun)))),
    ]);

    private Task ListPartsAsync(HttpContext http, string id) => WriteAsync(http, "ListPartsResult",
    [
        new XElement(Xml + "IsTruncated", "false"),
        .. _uploads[id].Parts.Select(p => new XElement(Xml + "Part", new XElement(Xml + "PartNumber", p.Key), new XElement(Xml + "LastModified", Iso(p.Value.Modified)))),
    ]);

    /// <summary>Pages of three keys: whoever lists must follow the continuation.</summary>
    private Task ListAsync(HttpContext http)
    {
        var query = http.Request.Query;
        var (prefix, delimiter, after) = (query["prefix"].ToString(), query["delimiter"].ToString(), query["continuation-token"].ToString());
        var names = _objects.Keys.Where(k => k.StartsWith(prefix, StringComparison.Ordinal))
            .Select(k => delimiter.Length > 0 && k.IndexOf(delimiter, prefix.Length, StringComparison.Ordinal) is >= 0 and var at ? k[..(at + 1)] : k)
            .Distinct().Where(n => string.CompareOrdinal(n, after) > 0).Order(StringComparer.Ordinal).ToList();
        var page = names.Take(3).ToList();
        var encode = query["encoding-type"] == "url" ? (Func<string, string>)(name => Uri.EscapeDataString(name).Replace("%2F", "/", StringComparison.Ordinal)) : name => name;
        return WriteAsync(http, "ListBucketResult",
        [
            new XElement(Xml + "Name", Bucket),
            new XElement(Xml + "IsTruncated", names.Count > page.Count ? "true" : "false"),
            names.Count > page.Count ? new XElement(Xml + "NextContinuationToken", page[^1]) : null,
            .. page.Select(name => _objects.TryGetValue(name, out var stored) && !(delimiter.Length > 0 && name.EndsWith('/'))
                ? new XElement(Xml + "Contents", new XElement(Xml + "Key", encode(name)), new XElement(Xml + "Size", stored.Content.Length), new XElement(Xml + "LastModified", Iso(stored.Modified)))
                : new XElement(Xml + "CommonPrefixes", new XElement(Xml + "Prefix", encode(name)))),
        ]);
    }

    private static Task WriteAsync(HttpContext http, string root, params XElement?[] content)
    {
        http.Response.ContentType = "application/xml";
        return http.Response.WriteAsync(Document(root, content));
    }

    private static string Document(string root, params XElement?[] content) =>
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>" + new XElement(Xml + root, content).ToString(SaveOptions.DisableFormatting);

    private static Task ErrorAsync(HttpContext http, int status, string code)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/xml";
        http.Response.Headers["x-amz-request-id"] = "REQUEST1";
        return http.Request.Method == "HEAD"
            ? Task.CompletedTask
            : http.Response.WriteAsync($"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>{code} of the test's server</Message><RequestId>REQUEST1</RequestId></Error>");
    }

    private static string? DigestError(HttpRequest request, byte[] content)
    {
        if (request.Headers["x-amz-checksum-sha256"] is { Count: > 0 } sha && sha != Convert.ToBase64String(SHA256.HashData(content)))
            return "BadDigest";
        return request.Headers.ContentMD5 is { Count: > 0 } md5 && md5 != Convert.ToBase64String(Md5(content)) ? "BadDigest" : null;
    }

    private static Dictionary<string, string> Metadata(HttpRequest request) =>
        request.Headers.Where(h => h.Key.StartsWith("x-amz-meta-", StringComparison.OrdinalIgnoreCase)).ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString());

    private static string ETag(byte[] content) => $"\"{Convert.ToHexStringLower(Md5(content))}\"";

#pragma warning disable CA5351 // The protocol's own digest: it identifies, it protects nothing.
    private static byte[] Md5(byte[] content) => MD5.HashData(content);
#pragma warning restore CA5351

    private static string Iso(DateTime time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    private sealed record StoredObject(byte[] Content, DateTime Modified, Dictionary<string, string> Metadata);

    private sealed record Upload(string Key, Dictionary<string, string> Metadata, DateTime Begun, ConcurrentDictionary<int, StoredObject> Parts);
}

/// <summary>What a server does with <c>If-None-Match: *</c>.</summary>
public enum S3Conditions
{
    /// <summary>412 when the key is taken.</summary>
    Honoured,

    /// <summary>Nothing: it writes over the object.</summary>
    Ignored,

    /// <summary>501.</summary>
    Unknown,
}

/// <summary>A request as <see cref="S3Endpoint.Fault"/> sees it.</summary>
public sealed record S3Call(string Method, string Key, string Query);

/// <summary>What happens instead of, or to, a request.</summary>
public sealed record S3Fault
{
    /// <summary>Status of the answer.</summary>
    public int? Status { get; init; }

    /// <summary>Code of the answer.</summary>
    public string Error { get; init; } = "InternalError";

    /// <summary>The connection breaks instead of an answer.</summary>
    public bool Cut { get; init; }

    /// <summary>The work is done before the answer goes wrong.</summary>
    public bool AfterWork { get; init; }

    /// <summary>The body breaks off behind so many bytes.</summary>
    public int? BodyBytes { get; init; }

    /// <summary>One byte less than was sent is stored.</summary>
    public bool Truncate { get; init; }

    /// <summary>The request waits for this before it is done.</summary>
    public Task? Hold { get; init; }
}
