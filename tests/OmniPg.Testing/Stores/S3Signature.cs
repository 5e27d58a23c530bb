using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace OmniPg.Testing;

/// <summary>Verifies "AWS Signature Version 4" of a request (Amazon S3 API Reference, "Authenticating Requests").</summary>
internal static class S3Signature
{
    /// <summary>Returns the code of the refusal, or null when key, signature, clock and body agree.</summary>
    public static string? Refusal(HttpRequest request, string path, byte[] content, string accessKey, string secretKey, DateTime now)
    {
        var authorization = request.Headers.Authorization.ToString();
        const string Scheme = "AWS4-HMAC-SHA256 ";
        if (!authorization.StartsWith(Scheme, StringComparison.Ordinal))
            return "AccessDenied";
        var fields = authorization[Scheme.Length..].Split(',').Select(f => f.Trim().Split('=', 2)).ToDictionary(f => f[0], f => f[1]);
        var scope = fields["Credential"].Split('/', 2);
        if (scope[0] != accessKey)
            return "InvalidAccessKeyId";
        var date = request.Headers["x-amz-date"].ToString();
        if (!DateTime.TryParseExact(date, "yyyyMMdd'T'HHmmss'Z'", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var signed)
            || Math.Abs((now - signed).TotalMinutes) > 15)
            return "RequestTimeTooSkewed";
        var payload = request.Headers["x-amz-content-sha256"].ToString();
        if (payload != Convert.ToHexStringLower(SHA256.HashData(content)))
            return "XAmzContentSHA256Mismatch";

        var headers = fields["SignedHeaders"].Split(';');
        var canonical = string.Join('\n',
            request.Method,
            path,
            string.Join('&', request.Query.SelectMany(q => q.Value.Select(v => $"{Uri.EscapeDataString(q.Key)}={Uri.EscapeDataString(v ?? "")}")).Order(StringComparer.Ordinal)),
            string.Concat(headers.Select(h => $"{h}:{string.Join(',', request.Headers[h].ToArray()).Trim()}\n")),
            fields["SignedHeaders"],
            payload);
        var toSign = string.Join('\n', "AWS4-HMAC-SHA256", date, scope[1], Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(canonical))));
        var key = scope[1].Split('/').Aggregate(Encoding.UTF8.GetBytes("AWS4" + secretKey), (k, part) => HMACSHA256.HashData(k, Encoding.UTF8.GetBytes(part)));
        return Convert.ToHexStringLower(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes(toSign))) == fields["Signature"] ? null : "SignatureDoesNotMatch";
    }
}
