namespace OmniPg.Wal;

/// <summary>
/// A tar file that the server has made, passed on byte for byte, of which some members are looked at on the way: the small ones that tell of the backup are kept, its WAL is validated.
/// </summary>
/// <param name="tar">The file; not disposed.</param>
/// <param name="length">How many bytes of it count; null takes all.</param>
/// <param name="kept">Members whose content is kept.</param>
/// <param name="validator">Makes a validator of a segment in <c>pg_wal</c>; null looks at none.</param>
internal sealed class ServerTar(Stream tar, long? length, IReadOnlySet<string> kept, Func<WalFileName, WalSegmentValidator>? validator) : TarParser, ICopySource
{
    private const string WalFolder = "pg_wal/";
    private readonly Dictionary<string, MemoryStream> _kept = new(StringComparer.Ordinal);
    private readonly HashSet<WalFileName> _segments = [];
    private long _left = length ?? long.MaxValue;
    private MemoryStream? _content;
    private WalSegmentValidator? _validator;
    private WalFileName _segment;
    private ReadOnlyMemory<byte> _tail;
    private bool _hasEnded;

    /// <summary>Asked when the file is at its end, before its reader hears of it; throws when it is not what the server has made.</summary>
    public Func<CancellationToken, Task>? AtEnd { get; init; }

    /// <summary>What follows behind the bytes that count: a member more, and the end mark.</summary>
    public ReadOnlyMemory<byte> Tail { init => _tail = value; }

    public long? Length => null;

    public DateTimeOffset? Modified => null;

    /// <summary>The segments that it holds, all of them valid.</summary>
    public IReadOnlySet<WalFileName> Segments => _segments;

    /// <summary>Content of a member that was to be kept; null when it holds none of that name.</summary>
    public byte[]? Kept(string path) => _kept.GetValueOrDefault(path)?.ToArray();

    public async ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        var count = _left > 0 ? await tar.ReadAsync(target[..(int)Math.Min(target.Length, _left)], cancellationToken).ConfigureAwait(false) : 0;
        if (count > 0)
        {
            _left -= count;
        }
        else if (!_tail.IsEmpty)
        {
            count = Math.Min(target.Length, _tail.Length);
            _tail[..count].CopyTo(target);
            _tail = _tail[count..];
        }
        else
        {
            // A reader may ask again.
            if (!_hasEnded && AtEnd is not null)
                await AtEnd(cancellationToken).ConfigureAwait(false);
            _hasEnded = true;
            return IsComplete ? 0 : throw Unusable("The tar file ends in the middle.");
        }

        try
        {
            Take(target.Span[..count]);
        }
        catch (WalValidationException wrong)
        {
            throw BackupWal.Missing(_segment, $"came from the server and is not valid: {wrong.Message}", wrong);
        }
        catch (InvalidDataException damage)
        {
            throw Unusable(damage.Message, damage);
        }

        return count;
    }

    // The server has made it from files that changed.
    public void VerifyUnchanged(long bytesRead)
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>What the server's program brought is no backup.</summary>
    public static WalBackupException Unusable(string what, Exception? inner = null) => new("wal.backup.server", $"What pg_basebackup brought cannot be used: {what}", "Begin again.", inner);

    protected override void Begin(TarHeader header)
    {
        if (header.Kind != TarKind.File)
            return;
        if (kept.Contains(header.Path))
            _kept[header.Path] = _content = new MemoryStream();
        else if (validator is not null && SegmentOf(header.Path) is { } name)
            (_segment, _validator) = (name, validator(name));
    }

    protected override void Append(ReadOnlySpan<byte> content)
    {
        _content?.Write(content);
        _validator?.Append(content);
    }

    protected override void End(TarHeader header)
    {
        if (_validator is not null)
        {
            _validator.Complete();
            _segments.Add(_segment);
        }

        (_content, _validator) = (null, null);
    }

    private static WalFileName? SegmentOf(string path) =>
        path.StartsWith(WalFolder, StringComparison.Ordinal) && WalFileName.TryParse(path.AsSpan(WalFolder.Length), out var name) && name.Kind == WalFileKind.Segment ? name : null;
}
