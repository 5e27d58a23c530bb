using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace OmniPg.Wal;

/// <summary>
/// A file that is to have a certain content, which comes in pieces. What is there is compared on the way and stays when it is equal to the last byte; else it is written anew beside it, and takes its place when it is complete.
/// So a file that has a second name elsewhere (a hard link) stays there as it was.
/// </summary>
internal sealed class DeltaFile : IDisposable
{
    /// <summary>Behind the name of what is not complete.</summary>
    public const string Unfinished = ".omnipg-delta";

    private const int CopyBytes = 1 << 18;
    private readonly SafeFileHandle _old;
    private FileStream? _new;
    private long _position;

    private DeltaFile(string path, SafeFileHandle old) => (Path, _old) = (path, old);

    public string Path { get; }

    /// <summary>Whether the file that was there stays. Known when all was written.</summary>
    public bool IsKept => _new is null;

    /// <summary>Opens what is there.</summary>
    /// <returns>Null when it is no file, or one of another size: then there is nothing to compare.</returns>
    public static DeltaFile? TryOpen(string path, long length)
    {
        if (!Shared.FileStat.TryGet(path, out var stat) || !stat.IsRegular || stat.Bytes != length)
            return null;
        return new DeltaFile(path, File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read));
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (_new is null && !IsThere(bytes))
            Begin();
        _new?.Write(bytes);
        _position += bytes.Length;
    }

    /// <summary>Gives a new file its name.</summary>
    public void Finish()
    {
        if (_new is null)
            return;
        _new.Dispose();
        File.Move(_new.Name, Path, overwrite: true);
    }

    public void Dispose()
    {
        _old.Dispose();
        _new?.Dispose();
    }

    private bool IsThere(ReadOnlySpan<byte> bytes)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(bytes.Length);
        try
        {
            var there = buffer.AsSpan(0, bytes.Length);
            for (int read, filled = 0; filled < there.Length; filled += read)
            {
                read = RandomAccess.Read(_old, there[filled..], _position + filled);
                if (read == 0)
                    return false;
            }

            return there.SequenceEqual(bytes);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void Begin()
    {
        File.Delete(Path + Unfinished);
        _new = new FileStream(Path + Unfinished, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0);
        var buffer = ArrayPool<byte>.Shared.Rent(CopyBytes);
        try
        {
            for (int read; _new.Position < _position; _new.Write(buffer.AsSpan(0, read)))
            {
                read = RandomAccess.Read(_old, buffer.AsSpan(0, (int)Math.Min(buffer.Length, _position - _new.Position)), _new.Position);
                if (read == 0)
                    throw new IOException($"'{Path}' became shorter while it was read.");
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
