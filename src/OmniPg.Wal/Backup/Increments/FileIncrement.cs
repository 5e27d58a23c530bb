using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace OmniPg.Wal;

/// <summary>
/// A file of a relation of which only some blocks are in a backup, as the server's own incremental backup writes it and <c>pg_combinebackup</c> reads it (<c>sendFile</c> of
/// basebackup.c, PostgreSQL 17): magic, number of blocks, length without later blocks, block numbers, zeros up to a whole block when there are blocks, the blocks.
/// </summary>
internal sealed class FileIncrement
{
    public const int BlockBytes = 8192;
    public const string Prefix = "INCREMENTAL.";

    // INCREMENTAL_MAGIC (basebackup_incremental.h).
    private const uint Magic = 0xd3ae1f0d;
    private const int FixedBytes = 3 * sizeof(uint);

    private readonly byte[] _header;
    private readonly IReadOnlyList<uint> _blocks;

    /// <summary>Describes an increment.</summary>
    /// <param name="blocks">Numbers of its blocks within the file, ascending.</param>
    /// <param name="length">Blocks below this number that it does not hold are what they were; others are zeros.</param>
    public FileIncrement(IReadOnlyList<uint> blocks, uint length)
    {
        _blocks = blocks;
        _header = new byte[HeaderBytes(blocks.Count)];
        BinaryPrimitives.WriteUInt32LittleEndian(_header, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(sizeof(uint)), (uint)blocks.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(2 * sizeof(uint)), length);
        for (var i = 0; i < blocks.Count; i++)
            BinaryPrimitives.WriteUInt32LittleEndian(_header.AsSpan(FixedBytes + (i * sizeof(uint))), blocks[i]);
    }

    /// <summary>Bytes before the first block.</summary>
    public int HeaderLength => _header.Length;

    public long Bytes => _header.Length + ((long)_blocks.Count * BlockBytes);

    /// <summary>The path of an increment, from that of its file.</summary>
    public static string PathOf(string path) => path.Insert(path.LastIndexOf('/') + 1, Prefix);

    /// <summary>The path of a file, from that of its increment; null when it is none.</summary>
    /// <param name="path">A path below the data directory or a tablespace. Only relations have increments; anywhere else a file of such a name is somebody's own.</param>
    public static string? FileOf(string path) => RelationFile.IsIncrement(path) ? path.Remove(path.LastIndexOf('/') + 1, Prefix.Length) : null;

    /// <summary>Number of the block within its file that stands at a position of the increment, behind the header.</summary>
    public uint BlockAt(long position) => _blocks[(int)((position - _header.Length) / BlockBytes)];

    /// <summary>Reads bytes of the increment out of its file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="target">Where they go.</param>
    /// <param name="position">The first one.</param>
    /// <returns>How many; 0 where the file has ended.</returns>
    public int Read(SafeFileHandle file, Span<byte> target, long position)
    {
        if (position < _header.Length)
        {
            var head = _header.AsSpan((int)position);
            head = head[..Math.Min(head.Length, target.Length)];
            head.CopyTo(target);
            return head.Length;
        }

        var (index, within) = Math.DivRem(position - _header.Length, BlockBytes);
        var first = (int)index;
        var next = first + 1;
        while (next < _blocks.Count && ((next - first) * BlockBytes) - within < target.Length && _blocks[next] == _blocks[next - 1] + 1)
            next++;
        var count = (int)Math.Min(target.Length, ((long)(next - first) * BlockBytes) - within);
        return RandomAccess.Read(file, target[..count], ((long)_blocks[first] * BlockBytes) + within);
    }

    // GetIncrementalHeaderSize: without blocks there is nothing to align.
    private static int HeaderBytes(int blocks)
    {
        var bytes = FixedBytes + (blocks * sizeof(uint));
        return blocks == 0 ? bytes : (bytes + BlockBytes - 1) / BlockBytes * BlockBytes;
    }

    /// <summary>Brings a file up to date with an increment that comes in pieces. What <c>pg_combinebackup</c> does from the newest backup backwards (<c>reconstruct.c</c>), forwards and in place.</summary>
    internal sealed class Writer : IDisposable
    {
        // RELSEG_SIZE can be larger than its default; a file of 128 GiB is no relation's.
        private const uint MostBlocks = 1 << 24;
        private readonly FileStream _file;
        private readonly string _path;
        private readonly long _bytes;
        private byte[] _header = new byte[FixedBytes];
        private uint[]? _blocks;
        private long _taken;
        private uint _length;

        /// <summary>Opens the file.</summary>
        /// <param name="path">The file, as an older backup has left it.</param>
        /// <param name="bytes">Size of the increment.</param>
        /// <exception cref="InvalidDataException">There is no such file.</exception>
        public Writer(string path, long bytes)
        {
            if (!File.Exists(path) || new FileInfo(path).LinkTarget is not null)
                throw new InvalidDataException($"It changes '{path}', which no backup before it holds.");
            (_path, _bytes) = (path, bytes);
            _file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.None, 0);
        }

        public string Path => _path;

        public void Write(ReadOnlySpan<byte> bytes)
        {
            while (!bytes.IsEmpty)
            {
                var count = _taken < _header.Length ? TakeHeader(bytes) : TakeBlock(bytes);
                _taken += count;
                bytes = bytes[count..];
                if (_taken == _header.Length)
                    ReadHeader();
            }
        }

        /// <summary>Gives the file its length.</summary>
        /// <exception cref="InvalidDataException">The increment has ended too early.</exception>
        public void Finish()
        {
            if (_blocks is null || _taken != _bytes)
                throw Damaged("ends too early");
            // find_reconstructed_block_length.
            _file.SetLength(Math.Max(_length, _blocks.Length == 0 ? 0 : _blocks[^1] + 1L) * BlockBytes);
        }

        public void Dispose() => _file.Dispose();

        private int TakeHeader(ReadOnlySpan<byte> bytes)
        {
            var count = (int)Math.Min(bytes.Length, _header.Length - _taken);
            bytes[..count].CopyTo(_header.AsSpan((int)_taken));
            return count;
        }

        private int TakeBlock(ReadOnlySpan<byte> bytes)
        {
            var (index, within) = Math.DivRem(_taken - _header.Length, BlockBytes);
            if (_blocks is null || index >= _blocks.Length)
                throw Damaged("is longer than its header says");
            var count = (int)Math.Min(bytes.Length, BlockBytes - within);
            _file.Position = ((long)_blocks[index] * BlockBytes) + within;
            _file.Write(bytes[..count]);
            return count;
        }

        private void ReadHeader()
        {
            var count = BinaryPrimitives.ReadUInt32LittleEndian(_header.AsSpan(sizeof(uint)));
            if (_blocks is not null)
                return;
            if (BinaryPrimitives.ReadUInt32LittleEndian(_header) != Magic || count > MostBlocks || HeaderBytes((int)count) + ((long)count * BlockBytes) != _bytes)
                throw Damaged("is no increment of its size");
            if (_header.Length < HeaderBytes((int)count))
            {
                Array.Resize(ref _header, HeaderBytes((int)count));
                return;
            }

            _length = BinaryPrimitives.ReadUInt32LittleEndian(_header.AsSpan(2 * sizeof(uint)));
            _blocks = new uint[count];
            for (var i = 0; i < _blocks.Length; i++)
                _blocks[i] = BinaryPrimitives.ReadUInt32LittleEndian(_header.AsSpan(FixedBytes + (i * sizeof(uint))));
            for (var i = 0; i < _blocks.Length; i++)
            {
                if (_blocks[i] >= MostBlocks || (i > 0 && _blocks[i] <= _blocks[i - 1]))
                    throw Damaged("names its blocks out of order");
            }

            if (_length > MostBlocks)
                throw Damaged($"gives its file '{_length}' blocks");
            // What lay behind was cut off meanwhile, and is zeros where it is not in the increment.
            if (_file.Length > (long)_length * BlockBytes)
                _file.SetLength((long)_length * BlockBytes);
        }

        private InvalidDataException Damaged(string what) => new($"The increment of '{_path}' {what}.");
    }
}
