using System.Buffers;
using K4os.Compression.LZ4.Streams;
using K4os.Compression.LZ4.Streams.Frames;

namespace OmniPg;

/// <summary>Writes one LZ4 frame. A flush cannot end a block early: what is given comes out with its block.</summary>
internal sealed class Lz4EncoderStream : EncoderStream
{
    // One block at its worst, the frame's header or end, and the piece that is on its way into the next block.
    private const int PieceBytes = 128 * 1024;
    private const int OutputBytes = (256 * 1024) + PieceBytes + 64;
    private readonly Made _made = new();
    private readonly ByteBufferLZ4FrameWriter<Made> _writer;
    private bool _closed;

    public Lz4EncoderStream(Stream sink, int level, bool leaveOpen)
        : base(sink, leaveOpen, OutputBytes) => _writer = LZ4Frame.Encode(_made, Lz4Codec.SettingsFor(level));

    protected override bool Encode(ReadOnlySpan<byte> input, EncoderOperation operation, Span<byte> output, out int consumed, out int written)
    {
        consumed = Math.Min(input.Length, PieceBytes);
        if (consumed > 0)
        {
            _writer.WriteManyBytes(input[..consumed]);
        }
        else if (operation == EncoderOperation.End && !_closed)
        {
            // Without content there is a frame all the same: nothing at all would be a truncated file.
            _writer.OpenFrame();
            _writer.CloseFrame();
            _closed = true;
        }

        written = _made.MoveTo(output);
        return consumed == input.Length && written < output.Length;
    }

    protected override void ReleaseEncoder()
    {
        _writer.Dispose();
        _made.Dispose();
    }

    /// <summary>What the writer has made and the stream has not handed on.</summary>
    private sealed class Made : IBufferWriter<byte>, IDisposable
    {
        private byte[] _bytes = ArrayPool<byte>.Shared.Rent(OutputBytes);
        private int _start;
        private int _end;

        public void Advance(int count) => _end += count;

        public Memory<byte> GetMemory(int sizeHint = 0)
        {
            MakeRoom(sizeHint);
            return _bytes.AsMemory(_end);
        }

        public Span<byte> GetSpan(int sizeHint = 0)
        {
            MakeRoom(sizeHint);
            return _bytes.AsSpan(_end);
        }

        public int MoveTo(Span<byte> output)
        {
            var count = Math.Min(_end - _start, output.Length);
            _bytes.AsSpan(_start, count).CopyTo(output);
            _start += count;
            if (_start == _end)
                (_start, _end) = (0, 0);
            return count;
        }

        public void Dispose() => ArrayPool<byte>.Shared.Return(_bytes);

        private void MakeRoom(int bytes)
        {
            if (_bytes.Length - _end >= Math.Max(bytes, 1))
                return;
            var larger = ArrayPool<byte>.Shared.Rent(_bytes.Length + bytes);
            _bytes.AsSpan(0, _end).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = larger;
        }
    }
}
