namespace OmniPg.Wal;

/// <summary>The digests of <c>omnipitr-checksum</c> and of backup digest files.</summary>
public enum WalDigest
{
    /// <summary>MD5, the original's default; for compatibility, not for security.</summary>
    Md5,

    /// <summary>SHA-1, written <c>SHA-1</c>; for compatibility, not for security.</summary>
    Sha1,

    /// <summary>SHA-256, written <c>SHA-256</c>.</summary>
    Sha256,

    /// <summary>SHA-384, written <c>SHA-384</c>.</summary>
    Sha384,

    /// <summary>SHA-512, written <c>SHA-512</c>.</summary>
    Sha512,
}
