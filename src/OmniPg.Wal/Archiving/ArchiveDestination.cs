using System.Diagnostics.CodeAnalysis;
using System.IO.Hashing;
using System.Security.Cryptography;
using System.Text;

namespace OmniPg.Wal;

/// <summary>One destination, ready to take files, and to tell which it holds.</summary>
internal sealed class ArchiveDestination
{
    private const int PieceBytes = 64 * 1024;
    private readonly WalDestinationOptions _options;
    private readonly WalArchiveOptions _archive;

    public ArchiveDestination(WalDestinationOptions options, WalArchiveOptions archive)
    {
        _options = options;
        _archive = archive;
        Codec = Codec.Parse(options.Codec);
        var location = new WalLocation(Codec, options.Level, options.Place).ToString();
        Id = options.Name ?? location;
        StateId = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{Kind(options)}|{location}|{options.Layout}")).AsSpan(0, 8));
        Sink = options switch
        {
            { Directory: { } path } => new DirectoryObjectStore(path),
            { Rsync: { } target } => new RsyncObjectSink(target, archive.RsyncProgram, archive.TemporaryDirectory),
            { Pipe: { } program } => new PipeObjectSink(program, options.PipeArguments),
            _ => options.Sink!,
        };
    }

    public string Id { get; }

    /// <summary>Names the destination in delivery states: the same place with another codec is another destination.</summary>
    public string StateId { get; }

    public IObjectSink Sink { get; }

    /// <summary>The sink where it can be asked what it holds; null for programs.</summary>
    public IObjectStore? Store => Sink as IObjectStore;

    public Codec Codec { get; }

    public bool IsRequired => _options.IsRequired;

    public int Attempts => _options.Attempts;

    public TimeSpan RetryDelay => _options.RetryDelay;

    /// <summary>Time for one file.</summary>
    public TimeSpan Timeout => _options.Timeout ?? _archive.Timeout;

    public WalLayout Layout => _options.Layout;

    /// <summary>Whether the destination takes part: one that is used only while it exists may be absent.</summary>
    public bool IsActive => !_options.WhenExists || Directory.Exists(_options.Directory);

    /// <summary>Whether the marker is kept here: a directory that only collects WAL during a base backup gets none.</summary>
    [MemberNotNullWhen(true, nameof(Store))]
    public bool IsBound => Store is not null && !_options.WhenExists && _archive.Binding != ArchiveBinding.None;

    /// <summary>Whether the marker was seen here once: from then on its absence means that the archive is not there, and not that it is new.</summary>
    public bool IsProven { get; set; }

    public string KeyOf(WalFileName file) => WalObjectKey.For(file, Layout, Codec);

    public CopyTarget TargetFor(WalFileName file) => new()
    {
        Sink = Sink,
        Key = KeyOf(file),
        Codec = WalObjectKey.CodecFor(file, Layout, Codec),
        Level = WalObjectKey.CodecFor(file, Layout, Codec) == Codec ? _options.Level : null,
        Id = Id,
        Timeout = Timeout,
        Grace = IsRequired ? null : _archive.OptionalGrace,
    };

    /// <summary>Looks for the file under its own key and, where looking is cheap, under the names that other codecs gave it.</summary>
    /// <returns>Its key, or null when the place is free.</returns>
    public async Task<string?> FindAsync(WalFileName file, CancellationToken cancellationToken)
    {
        var own = KeyOf(file);
        IEnumerable<string> keys = Store is DirectoryObjectStore ? WalObjectKey.Candidates(file, Layout).Select(static c => c.Key).OrderByDescending(key => key == own) : [own];
        foreach (var key in keys)
            if (await Store!.StatAsync(key, cancellationToken).ConfigureAwait(false) is not null)
                return key;
        return null;
    }

    /// <summary>
    /// Compares a stored copy with the file's content, byte by byte unless the store itself keeps hash and size of what was written. What it is compressed with is told by its
    /// first bytes: somebody may have renamed it.
    /// </summary>
    /// <exception cref="WalConflictException">It holds something else, or nothing that can be read.</exception>
    /// <exception cref="WalInputException">The file is no longer the one whose content was read.</exception>
    public async Task RequireEqualAsync(string key, WalFileName file, string path, ObjectContent content, CancellationToken cancellationToken)
    {
        if (await Store!.StatAsync(key, cancellationToken).ConfigureAwait(false) is { Content: { } known }
            && (known.Xxh128, known.RawBytes) == (content.Xxh128, content.RawBytes))
            return;
        if (await IsEqualAsync(key, path, content, cancellationToken).ConfigureAwait(false))
            return;
        var stored = await StoredSha256Async(key, content.RawBytes, cancellationToken).ConfigureAwait(false);
        throw new WalConflictException(file.ToString(), Id, await Sha256Async(path, cancellationToken).ConfigureAwait(false), stored);
    }

    /// <summary>SHA-256 of a file, for what was written by versions that knew no other hash, and for people.</summary>
    public static async Task<string> Sha256Async(string path, CancellationToken cancellationToken)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0, FileOptions.SequentialScan);
        await using var closing = file.ConfigureAwait(false);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(file, cancellationToken).ConfigureAwait(false));
    }

    private async Task<bool> IsEqualAsync(string key, string path, ObjectContent content, CancellationToken cancellationToken)
    {
        var source = FileCopySource.Open(path);
        await using var closing = source.ConfigureAwait(false);
        var stored = await OpenAsync(key, cancellationToken).ConfigureAwait(false);
        await using var decoding = stored.ConfigureAwait(false);
        var (here, there) = (new byte[PieceBytes], new byte[PieceBytes]);
        var hash = new XxHash128();
        long length = 0;
        var isEqual = true;
        for (int count; (count = await source.ReadAsync(here, cancellationToken).ConfigureAwait(false)) > 0; length += count)
        {
            hash.Append(here.AsSpan(0, count));
            isEqual = isEqual && await ReadAsync(stored, there.AsMemory(0, count), cancellationToken).ConfigureAwait(false) == count
                && here.AsSpan(0, count).SequenceEqual(there.AsSpan(0, count));
        }

        // The copy was compared with these bytes, the segment was validated and goes elsewhere as those that were read before.
        if ((length, Convert.ToHexStringLower(hash.GetCurrentHash())) is var now && now != (content.RawBytes, content.Xxh128))
            throw WalInputException.Changed(path, $"{content.RawBytes} bytes with XXH128 {content.Xxh128}", $"{now.Item1} bytes with XXH128 {now.Item2}");
        return isEqual && await ReadAsync(stored, there.AsMemory(0, 1), cancellationToken).ConfigureAwait(false) == 0;
    }

    // What cannot be decoded equals nothing; why it cannot, the conflict tells.
    private static async Task<int> ReadAsync(Stream stored, Memory<byte> piece, CancellationToken cancellationToken)
    {
        try
        {
            return await stored.ReadAtLeastAsync(piece, piece.Length, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false);
        }
        catch (CorruptCompressedDataException)
        {
            return -1;
        }
    }

    private async Task<string> StoredSha256Async(string key, long expectedBytes, CancellationToken cancellationToken)
    {
        var stored = await OpenAsync(key, cancellationToken).ConfigureAwait(false);
        await using var decoding = stored.ConfigureAwait(false);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = new byte[PieceBytes];
        long length = 0;
        try
        {
            for (int count; (count = await stored.ReadAsync(piece, cancellationToken).ConfigureAwait(false)) > 0; hash.AppendData(piece, 0, count))
            {
                // Whatever follows, the contents differ; a hostile file may expand for ever.
                if ((length += count) > expectedBytes)
                    return $"unreadable: It holds more than '{expectedBytes}' bytes.";
            }

            return Convert.ToHexStringLower(hash.GetHashAndReset());
        }
        catch (CorruptCompressedDataException damage)
        {
            return $"unreadable: {damage.Message}";
        }
    }

    private async Task<Stream> OpenAsync(string key, CancellationToken cancellationToken) =>
        await WalContent.OpenReadAsync(Store!, key, cancellationToken).ConfigureAwait(false)
            ?? throw new FileNotFoundException($"'{key}' vanished from '{Id}' while it was compared.");

    private static string Kind(WalDestinationOptions options) =>
        options.Directory is not null ? "directory" : options.Rsync is not null ? "rsync" : options.Pipe is not null ? "pipe" : "store";
}
