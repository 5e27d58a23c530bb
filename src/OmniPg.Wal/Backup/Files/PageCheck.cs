using Microsoft.Win32.SafeHandles;

namespace OmniPg.Wal;

/// <summary>
/// Compares the pages of a relation with their checksums while they are read for a backup (<c>verify_page_checksum</c> and <c>sendFile</c> of basebackup.c). A page that was changed since the backup began is
/// not looked at: the WAL writes it anew. One that seems wrong is read again first, because the server may have been writing it.
/// </summary>
/// <param name="fileBlocks">Blocks of a file of a relation (<c>blocks_per_segment</c>).</param>
internal sealed class PageCheck(uint fileBlocks)
{
    private const int Tries = 5;

    // A disk that returns garbage has millions; these are enough to see where.
    private const int MostKept = 1000;

    private readonly byte[] _page = new byte[PageChecksum.PageBytes];
    private readonly List<DamagedPage> _damaged = [];
    private string? _path;
    private uint _firstBlock;
    private FileIncrement? _increment;
    private int _filled;
    private long _position;
    private bool _isFileDamaged;

    /// <summary>Where the backup starts.</summary>
    public ulong Start { get; set; }

    /// <summary>The first damaged pages, in the order in which they were read.</summary>
    public IReadOnlyList<DamagedPage> Damaged => _damaged;

    /// <summary>How many there are so far.</summary>
    public long Count { get; private set; }

    /// <summary>In how many files.</summary>
    public long Files { get; private set; }

    /// <summary>Begins with a file.</summary>
    /// <param name="path">Its path in the manifest; null, or that of no relation, for one that has no pages.</param>
    /// <param name="increment">Which of its blocks are read; null for all.</param>
    public void Begin(string? path, FileIncrement? increment)
    {
        var first = path is null ? null : RelationPath.Find(path)?.FirstBlock(fileBlocks);
        (_path, _firstBlock, _increment, _filled, _position, _isFileDamaged) = (first is null ? null : path, first ?? 0, increment, 0, 0, false);
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

        Count++;
        Files += _isFileDamaged ? 0 : 1;
        _isFileDamaged = true;
        if (_damaged.Count < MostKept)
            _damaged.Add(new DamagedPage(_path!, _firstBlock + number, PageChecksum.In(again), PageChecksum.Of(again, _firstBlock + number)));
    }

    private bool IsRight(ReadOnlySpan<byte> page, uint block) =>
        PageChecksum.IsNew(page) || PageChecksum.LsnOf(page) >= Start || PageChecksum.In(page) == PageChecksum.Of(page, block);
}
