using System.Security.Cryptography;

namespace OmniPg.Wal;

/// <summary>SHA-256 as 64 lower-case hex digits, the form in which it stands in files and messages.</summary>
internal static class Sha256Text
{
    public static string Of(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
