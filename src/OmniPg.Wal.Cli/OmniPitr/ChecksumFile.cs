using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Wal.Cli;

/// <summary>Lines of the form <c>HEX *NAME</c>, as <c>omnipitr-checksum</c> writes them and <c>md5sum -c</c>, <c>sha256sum -c</c> read them.</summary>
internal static class ChecksumFile
{
    private const int BufferBytes = 128 * 1024;

    private static readonly (Digest Digest, string Name, HashAlgorithmName Algorithm)[] Digests =
    [
        (Digest.Md5, "MD5", HashAlgorithmName.MD5),
        (Digest.Sha1, "SHA-1", HashAlgorithmName.SHA1),
        (Digest.Sha256, "SHA-256", HashAlgorithmName.SHA256),
        (Digest.Sha384, "SHA-384", HashAlgorithmName.SHA384),
        (Digest.Sha512, "SHA-512", HashAlgorithmName.SHA512),
    ];

    /// <summary>The names that <see cref="ParseDigest"/> accepts, in the original's spelling.</summary>
    public static IReadOnlyList<string> DigestNames { get; } = [.. Digests.Select(d => d.Name)];

    /// <summary>Finds a digest by its name; upper and lower case are equal and the hyphen may be left out (<c>sha256</c>).</summary>
    /// <exception cref="WalConfigurationException">The name is not one of <see cref="DigestNames"/>.</exception>
    public static Digest ParseDigest(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        foreach (var (digest, known, _) in Digests)
        {
            if (known.Equals(name, StringComparison.OrdinalIgnoreCase)
                || known.Replace("-", "", StringComparison.Ordinal).Equals(name, StringComparison.OrdinalIgnoreCase))
                return digest;
        }

        throw new WalConfigurationException($"The digest '{name}' is not known.", $"Use one of {string.Join(", ", DigestNames)}.");
    }

    /// <summary>The algorithm of a digest.</summary>
    public static HashAlgorithmName AlgorithmOf(Digest digest) => Array.Find(Digests, d => d.Digest == digest).Algorithm;

    /// <summary>Digests a stream to its end, in constant memory.</summary>
    /// <param name="source">The bytes; read to the end, not disposed.</param>
    /// <param name="digest">The digest.</param>
    /// <param name="cancellationToken">Stops between two reads.</param>
    /// <returns>The digest as lower-case hex digits.</returns>
    public static async Task<string> ComputeAsync(Stream source, Digest digest, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        using var hash = IncrementalHash.CreateHash(AlgorithmOf(digest));
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (int read; (read = await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
                hash.AppendData(buffer, 0, read);
            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>One line of a checksum file, with its newline.</summary>
    /// <param name="hex">The digest in hex.</param>
    /// <param name="name">The file's name; a line break in it is refused.</param>
    /// <exception cref="ArgumentException">The name holds a line break.</exception>
    public static string FormatLine(string hex, string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(hex);
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (name.AsSpan().ContainsAny('\n', '\r'))
            throw new ArgumentException("A name in a checksum file cannot hold a line break.", nameof(name));
        return $"{hex} *{name}\n";
    }

    /// <summary>Writes a checksum file for files of one directory, in the order given.</summary>
    /// <param name="path">The checksum file; replaced.</param>
    /// <param name="files">The files; each is listed by its name without the directory.</param>
    /// <param name="digest">The digest.</param>
    /// <param name="cancellationToken">Stops between two reads; the checksum file is then left as it was.</param>
    public static async Task WriteAsync(string path, IEnumerable<string> files, Digest digest, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(files);
        var text = new StringBuilder();
        foreach (var file in files)
            text.Append(FormatLine(await ComputeFileAsync(file, digest, cancellationToken).ConfigureAwait(false), Path.GetFileName(file)));
        await DurableFile.WriteAllBytesAsync(path, Encoding.UTF8.GetBytes(text.ToString()), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Checks every file that a checksum file lists, next to it.</summary>
    /// <param name="path">The checksum file; the digest follows from the length of its lines.</param>
    /// <param name="cancellationToken">Stops between two reads.</param>
    /// <returns>The names whose file is missing or has another digest; empty when all are right.</returns>
    /// <exception cref="WalConfigurationException">A line is not of the form <c>HEX *NAME</c>.</exception>
    public static async Task<IReadOnlyList<string>> VerifyAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var wrong = new List<string>();
        var directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        foreach (var line in await File.ReadAllLinesAsync(path, cancellationToken).ConfigureAwait(false))
        {
            var (hex, name, digest) = ParseLine(line, path);
            var file = Path.Combine(directory, name);
            if (!File.Exists(file) || await ComputeFileAsync(file, digest, cancellationToken).ConfigureAwait(false) != hex)
                wrong.Add(name);
        }

        return wrong;
    }

    private static async Task<string> ComputeFileAsync(string file, Digest digest, CancellationToken cancellationToken)
    {
        var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        await using (stream.ConfigureAwait(false))
            return await ComputeAsync(stream, digest, cancellationToken).ConfigureAwait(false);
    }

    private static (string Hex, string Name, Digest Digest) ParseLine(string line, string path)
    {
        var blank = line.IndexOf(' ', StringComparison.Ordinal);
        Digest? digest = blank switch
        {
            32 => Digest.Md5,
            40 => Digest.Sha1,
            64 => Digest.Sha256,
            96 => Digest.Sha384,
            128 => Digest.Sha512,
            _ => null,
        };
        if (digest is null || line.Length < blank + 3 || line[blank + 1] is not ('*' or ' '))
            throw new WalConfigurationException($"The checksum file '{path}' has the line '{line}', which is not 'HEX *NAME'.");
        return (line[..blank].ToLowerInvariant(), line[(blank + 2)..], digest.Value);
    }

    /// <summary>The digests of <c>omnipitr-checksum</c> and of backup digest files.</summary>
    internal enum Digest
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
}
