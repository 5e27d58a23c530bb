using System.Buffers;
using System.Buffers.Binary;
using K4os.Compression.LZ4;
using K4os.Compression.LZ4.Streams;
using K4os.Compression.LZ4.Streams.Frames;

namespace OmniPg;

public abstract partial class Codec
{
    /// <summary>LZ4 frames by K4os.Compression.LZ4: with the checksum on it is as fast as the system's liblz4, and nobody has to install it.</summary>
    private sealed class Lz4Codec() : Codec("lz4", ".lz4", 0, 12, 0)
    {
        private const int BlockBytes = 256 * 1024;

        public override bool Matches(ReadOnlySpan<byte> magic)
        {
            if (SkippableFrame.TrySkip(magic, out var next))
                magic = next;
            return magic.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(magic) == Lz4DecoderStream.FrameMagic;
        }

        /// <summary>One frame of linked blocks of 256 KiB with a checksum over its content.</summary>
        // The levels 1 and 2 are 0 in lz4 too (LZ4HC_CLEVEL_MIN of lz4hc.h is 3, LZ4F_compressBegin takes the fast compressor below it).
        private static LZ4EncoderSettings SettingsFor(int level) =>
            new() { BlockSize = BlockBytes, ChainBlocks = true, ContentChecksum = true, CompressionLevel = level < 3 ? LZ4Level.L00_FAST : (LZ4Level)level };

        // LZ4F_compressFrameBound for blocks of this size: per block a header of 4 bytes and no growth, as one that does not shrink is stored; header, end mark and checksum of the frame.
        public override int? MaxCompressedBytes(int contentBytes) => checked(contentBytes + (contentBytes / BlockBytes * 4) + 64);

        private protected override unsafe int CompressAtOnce(ReadOnlySpan<byte> content, Span<byte> target, int level)
        {
            fixed (byte* to = target)
            {
                using var writer = LZ4Frame.Encode(to, target.Length, SettingsFor(level));
                writer.WriteManyBytes(content);
                writer.CloseFrame();
                return writer.CompressedLength;
            }
        }

        private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new Encoder(sink, level, leaveOpen);

        private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => new Lz4DecoderStream(source, leaveOpen);

        /// <summary>Writes one LZ4 frame. A flush cannot end a block early: what is given comes out with its block.</summary>
        private sealed class Encoder : EncoderStream
        {
            // One block at its worst, the frame's header or end, and the piece that is on its way into the next block.
            private const int PieceBytes = 128 * 1024;
            private const int OutputBytes = BlockBytes + PieceBytes + 64;
            private readonly Made _made = new();
            private readonly ByteBufferLZ4FrameWriter<Made> _writer;
            private bool _closed;

            public Encoder(Stream sink, int level, bool leaveOpen)
                : base(sink, leaveOpen, OutputBytes) => _writer = LZ4Frame.Encode(_made, SettingsFor(level));

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
    }
}
