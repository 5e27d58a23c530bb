using Microsoft.Win32.SafeHandles;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>One member of a tar file that is to be written: a file as it is found when its turn comes, or a content that is known.</summary>
internal sealed record TarMember(string Path, TarKind Kind)
{
    /// <summary>The file or directory of the data directory; null for content that is no file there.</summary>
    public string? FullPath { get; init; }

    /// <summary>The content where it is no file.</summary>
    public ReadOnlyMemory<byte> Content { get; init; }

    /// <summary>Path in the manifest; null leaves it out.</summary>
    public string? ManifestPath { get; init; }
}

/// <summary>
/// A tar file made while it is read. Files of a running server change below it: one that vanished before its turn is left out, one that shrank gets zeros up
/// to the size announced, and what it grew is not read. The WAL from the start of the backup brings all of it up to date.
/// </summary>
/// <param name="members">What it holds.</param>
/// <param name="manifest">Told every file.</param>
/// <param name="owner">Owner of what is no file of the data directory.</param>
/// <param name="time">Time of that.</param>
/// <param name="plan">Of which files only some blocks are read; null reads all.</param>
/// <param name="pages">Looks at the pages as they pass; null where they have no checksums.</param>
internal sealed class TarSource(IAsyncEnumerable<TarMember> members, BackupManifest manifest, (uint User, uint Group) owner, TimeProvider time, IncrementPlan? plan = null, PageCheck? pages = null) : ICopySource
{
    private const UnixFileMode DefaultMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private readonly IAsyncEnumerator<TarMember> _members = members.GetAsyncEnumerator();
    private ReadOnlyMemory<byte> _pending;
    private TarMember? _member;
    private TarHeader? _header;
    private SafeFileHandle? _file;
    private FileIncrement? _increment;
    private long _left;
    private long _position;
    private uint _crc;
    private bool _isShort;
    private bool _ended;

    public long? Length => null;

    public DateTimeOffset? Modified => null;

    /// <summary>Files that were gone when their turn came.</summary>
    public long Vanished { get; private set; }

    /// <summary>Files that became shorter while they were read.</summary>
    public long Shortened { get; private set; }

    public async ValueTask<int> ReadAsync(Memory<byte> target, CancellationToken cancellationToken)
    {
        var filled = 0;
        while (filled < target.Length)
        {
            if (!_pending.IsEmpty)
                filled += TakePending(target.Span[filled..]);
            else if (_left > 0)
                filled += TakeContent(target.Span[filled..]);
            else if (_member is not null)
                EndMember();
            else if (_ended)
                break;
            else
                await BeginMemberAsync().ConfigureAwait(false);
        }

        return filled;
    }

    // Every file has its own fate; the tar file as a whole is what was read.
    public void VerifyUnchanged(long bytesRead)
    {
    }

    public async ValueTask DisposeAsync()
    {
        _file?.Dispose();
        await _members.DisposeAsync().ConfigureAwait(false);
    }

    private int TakePending(Span<byte> target)
    {
        var count = Math.Min(target.Length, _pending.Length);
        _pending.Span[..count].CopyTo(target);
        _pending = _pending[count..];
        return count;
    }

    private int TakeContent(Span<byte> target)
    {
        target = target[..(int)Math.Min(target.Length, _left)];
        var count = ReadContent(target);
        if (count == 0)
        {
            // Truncated by the server since its size was announced.
            Shortened += _isShort ? 0 : 1;
            _isShort = true;
            target.Clear();
            count = target.Length;
        }

        pages?.Append(_file, target[..count]);
        _position += count;
        _crc = Crc32C.Append(_crc, target[..count]);
        _left -= count;
        return count;
    }

    private int ReadContent(Span<byte> target)
    {
        if (_isShort)
            return 0;
        if (_file is not null)
            return _increment is null ? RandomAccess.Read(_file, target, _position) : _increment.Read(_file, target, _position);
        var content = _member!.Content.Span[(int)_position..];
        content[..target.Length].CopyTo(target);
        return target.Length;
    }

    private void EndMember()
    {
        if (_member!.ManifestPath is { } path && _header!.Kind == TarKind.File)
            manifest.Add(_increment is null ? path : FileIncrement.PathOf(path), _header.Length, _header.Modified, Crc32C.Finish(_crc));
        _file?.Dispose();
        _file = null;
        _pending = new byte[TarFormat.PaddingOf(_header!.Length)];
        _member = null;
    }

    private async ValueTask BeginMemberAsync()
    {
        while (await _members.MoveNextAsync().ConfigureAwait(false))
        {
            if (Describe(_members.Current) is not { } header)
            {
                Vanished++;
                continue;
            }

            (_member, _header, _left, _position, _crc, _isShort) = (_members.Current, header, header.Length, 0, Crc32C.Start, false);
            _pending = TarFormat.Write(header);
            pages?.Begin(_member.ManifestPath, _increment);
            return;
        }

        // Two blocks of zeros end a tar file.
        _ended = true;
        _pending = new byte[2 * TarFormat.BlockBytes];
    }

    /// <returns>Null when it is gone.</returns>
    private TarHeader? Describe(TarMember member)
    {
        _increment = null;
        if (member.FullPath is not { } path)
            return new TarHeader(member.Path, member.Kind, member.Content.Length, DefaultMode, time.GetUtcNow()) { Owner = owner };
        try
        {
            // A folder may be a link, which whoever made it owns.
            var owner = FileStat.OwnerOf(member.Kind == TarKind.Directory ? Path.Combine(path, ".") : path);
            if (member.Kind == TarKind.Directory)
                return new TarHeader(member.Path, member.Kind, 0, ModeOf(path), Directory.GetLastWriteTimeUtc(path)) { Owner = owner };
            // Shared with everybody: .NET would otherwise take a lock on a file that belongs to the server.
            _file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.SequentialScan);
            var whole = new TarHeader(member.Path, member.Kind, RandomAccess.GetLength(_file), ModeOf(path), File.GetLastWriteTimeUtc(_file)) { Owner = owner };
            _increment = member.ManifestPath is { } listed ? plan?.Of(listed, whole.Length) : null;
            return _increment is null ? whole : whole with { Path = FileIncrement.PathOf(whole.Path), Length = _increment.Bytes };
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            _file?.Dispose();
            _file = null;
            return null;
        }
        catch (Exception refused) when (refused is UnauthorizedAccessException or IOException)
        {
            throw WalInputException.Unreadable(path, refused);
        }
    }

    private static UnixFileMode ModeOf(string path) => OperatingSystem.IsWindows() ? DefaultMode : File.GetUnixFileMode(path);
}
