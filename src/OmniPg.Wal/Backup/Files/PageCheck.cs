using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;

namespace OmniPg.Wal;

/// <summary>
/// Compares the pages of a relation with their checksums while they are read for a backup (<c>verify_page_checksum</c> and <c>sendFile</c> of basebackup.c). A page that was changed since the backup began is
/// not looked at: the WAL writes it anew. One that seems wrong is read again first, because the server may have been writing it.
/// </summary>
/// <param name="fileBlocks">Blocks of a file of a relation (<c>blocks_per_segment</c>).</param>
internal sealed partial class PageCheck(uint fileBlocks)
{
    private const int Tries = 5;
    private readonly byte[] _page = new byte[PageChecksum.PageBytes];
    private readonly List<DamagedPage> _damaged = [];
    private string? _path;
    private uint _firstBlock;
    private FileIncrement? _increment;
    private int _filled;
    private long _position;

    /// <summary>Where the backup starts.</summary>
    public ulong Start { get; set; }

    /// <summary>The damaged pages so far, in the order in which they were read.</summary>
    public IReadOnlyList<DamagedPage> Damaged => _damaged;

    /// <summary>Begins with a file.</summary>
    /// <param name="path">Its path in the manifest; null, or that of no relation, for one that has no pages.</param>
    /// <param name="increment">Which of its blocks are read; null for all.</param>
    public void Begin(string? path, FileIncrement? increment)
    {
        var match = path is null ? null : Relation().Match(path);
        (_path, _increment, _filled, _position) = (match is { Success: true } ? path : null, increment, 0, 0);
        if (_path is not null)
            _firstBlock = match!.Groups["segment"] is { Success: true } segment ? uint.Parse(segment.Value, NumberStyles.None, CultureInfo.InvariantCulture) * fileBlocks : 0;
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

        _damaged.Add(new DamagedPage(_path!, _firstBlock + number, PageChecksum.In(again), PageChecksum.Of(again, _firstBlock + number)));
    }

    private bool IsRight(ReadOnlySpan<byte> page, uint block) =>
        PageChecksum.IsNew(page) || PageChecksum.LsnOf(page) >= Start || PageChecksum.In(page) == PageChecksum.Of(page, block);

    [GeneratedRegex(@"^(?:(?:base|(?:pg_tblspc/\d+/)?PG_[^/]+)/\d+|global)/\d+(?:_(?:fsm|vm|init))?(?:\.(?<segment>\d+))?$")]
    private static partial Regex Relation();
}
