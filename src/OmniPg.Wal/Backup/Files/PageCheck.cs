using Microsoft.Win32.SafeHandles;

namespace OmniPg.Wal;

/// <summary>
/// Compares the pages of a relation with their checksums while they are read for a backup (<c>verify_page_checksum</c> and <c>sendFile</c> of basebackup.c). One that seems wrong is read again first, because
/// the server may have been writing it. A page that was changed since the backup began may be torn: the WAL writes it anew. What it says of that itself is believed when the backup has stopped: no page
/// lies ahead of the WAL.
/// </summary>
/// <param name="fileBlocks">Blocks of a file of a relation (<c>blocks_per_segment</c>).</param>
/// <param name="found">Told of each damaged page, at once.</param>
internal sealed class PageCheck(uint fileBlocks, Action<DamagedPage>? found = null)
{
    // Storage that returns garbage damages millions: the first ones, and how many in which files, are all that anybody can use.
    internal const int MostTold = 1000;

    private const int Tries = 5;
    private readonly byte[] _page = new byte[PageChecksum.PageBytes];
    private readonly List<DamagedPage> _damaged = [];
    private readonly Dictionary<string, long> _files = new(StringComparer.Ordinal);
    private readonly List<(DamagedPage Page, ulong Lsn)> _newer = [];
    private string? _untold;
    private string? _path;
    private uint _firstBlock;
    private FileIncrement? _increment;
    private int _filled;
    private long _position;

    /// <summary>Where the backup starts.</summary>
    public ulong Start { get; set; }

    /// <summary>The first damaged pages so far, in the order in which they were read.</summary>
    public IReadOnlyList<DamagedPage> Damaged => _damaged;

    /// <summary>How many there are.</summary>
    public long Count { get; private set; }

    /// <summary>The first files that hold such pages.</summary>
    public IReadOnlyList<DamagedFile> Files => [.. _files.Select(static f => new DamagedFile(f.Key, f.Value))];

    /// <summary>How many there are.</summary>
    public long FileCount { get; private set; }

    /// <summary>Begins with a file.</summary>
    /// <param name="path">Its path in the manifest; null, or that of no relation, for one that has no pages.</param>
    /// <param name="increment">Which of its blocks are read; null for all.</param>
    public void Begin(string? path, FileIncrement? increment)
    {
        (_path, _increment, _filled, _position) = (null, increment, 0, 0);
        if (path is not null && RelationFile.Of(path)?.FirstBlock(fileBlocks) is { } first)
            (_path, _firstBlock) = (path, first);
    }

    /// <summary>Takes what was read of it.</summary>
    public void Append(SafeFileHandle? file, ReadOnlySpan<byte> bytes)
    {
        if (_path is null || file is null)
            return;
        if (_increment is not null && _position < _increment.HeaderLength)
        {
            var header = (int)Math.Min(bytes.Length, _increment.HeaderLength - _position);
            _position += header;
            bytes = bytes[header..];
        }

        while (!bytes.IsEmpty)
        {
            // A part of a page at the end of the file is none.
            if (_filled == 0 && bytes.Length >= PageChecksum.PageBytes)
            {
                Check(file, bytes[..PageChecksum.PageBytes]);
                bytes = bytes[PageChecksum.PageBytes..];
                continue;
            }

            var count = Math.Min(bytes.Length, PageChecksum.PageBytes - _filled);
            bytes[..count].CopyTo(_page.AsSpan(_filled));
            _filled += count;
            bytes = bytes[count..];
            if (_filled < PageChecksum.PageBytes)
                return;
            _filled = 0;
            Check(file, _page);
        }
    }

    /// <summary>Ends: a page that was taken for one that the WAL brings right, and lies behind the end of the WAL, is damaged.</summary>
    /// <param name="stop">Where the backup has stopped.</param>
    public void End(ulong stop)
    {
        foreach (var (page, _) in _newer.Where(n => n.Lsn > stop))
            Add(page);
        _newer.Clear();
    }

    private void Check(SafeFileHandle file, ReadOnlySpan<byte> page)
    {
        var number = _increment is null ? (uint)(_position / PageChecksum.PageBytes) : _increment.BlockAt(_position);
        _position += PageChecksum.PageBytes;
        if (IsRight(page, _firstBlock + number))
            return;
        Span<byte> again = stackalloc byte[PageChecksum.PageBytes];
        for (var read = 1; read < Tries; read++)
        {
            // Cut off meanwhile.
            if (RandomAccess.Read(file, again, (long)number * PageChecksum.PageBytes) < again.Length || IsRight(again, _firstBlock + number))
                return;
        }

        var damaged = new DamagedPage(_path!, _firstBlock + number, PageChecksum.In(again), PageChecksum.Of(again, _firstBlock + number));
        if (PageChecksum.LsnOf(again) is var lsn && lsn < Start)
            Add(damaged);
        else if (_newer.Count < MostTold)
            _newer.Add((damaged, lsn));
    }

    private void Add(DamagedPage page)
    {
        Count++;
        if (_damaged.Count < MostTold)
            _damaged.Add(page);
        if (_files.TryGetValue(page.Path, out var pages))
        {
            _files[page.Path] = pages + 1;
        }
        else if (page.Path != _untold)
        {
            FileCount++;
            if (_files.Count < MostTold)
                _files.Add(page.Path, 1);
            else
                _untold = page.Path;
        }

        found?.Invoke(page);
    }

    private static bool IsRight(ReadOnlySpan<byte> page, uint block) => PageChecksum.In(page) == PageChecksum.Of(page, block) || !page.ContainsAnyExcept((byte)0);
}
