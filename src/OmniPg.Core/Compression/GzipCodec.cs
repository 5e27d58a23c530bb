using System.IO.Compression;

namespace OmniPg;

/// <summary>Gzip (RFC 1952) by the base class library.</summary>
internal sealed class GzipCodec() : Codec("gzip", ".gz", 0, 9, 6)
{
    public override bool Matches(ReadOnlySpan<byte> magic) => magic.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B]);

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) => new Encoder(sink, level, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) => new Decoder(source, leaveOpen);

    /// <summary>Writes one gzip member. <see cref="GZipStream"/> fills a small staging area that the base stream carries on to the sink.</summary>
    private sealed class Encoder : EncoderStream
    {
        private const int PieceBytes = 64 * 1024;
        private readonly EncodedBytes _staging = new(96 * 1024);
        private readonly GZipStream _gzip;
        private bool _written;

        public Encoder(Stream sink, int level, bool leaveOpen)
            : base(sink, leaveOpen, PieceBytes) =>
            _gzip = new GZipStream(_staging, new ZLibCompressionOptions { CompressionLevel = level }, leaveOpen: true);

        // GZipStream writes nothing at all when it was given nothing; an empty file still has to be a gzip file.
        private static ReadOnlySpan<byte> EmptyMember => [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

        protected override bool Encode(ReadOnlySpan<byte> input, EncoderOperation operation, Span<byte> output, out int consumed, out int written)
        {
            consumed = 0;
            if (_staging.IsEmpty)
            {
                consumed = Math.Min(input.Length, PieceBytes);
                Step(input[..consumed], operation);
            }

            written = _staging.MoveTo(output);
            return _staging.IsEmpty && consumed == input.Length;
        }

        protected override void ReleaseEncoder()
        {
            _gzip.Dispose();
            _staging.Dispose();
        }

        private void Step(ReadOnlySpan<byte> piece, EncoderOperation operation)
        {
            switch (operation)
            {
                case EncoderOperation.Continue:
                    _gzip.Write(piece);
                    _written |= !piece.IsEmpty;
                    break;
                case EncoderOperation.Flush:
                    _gzip.Flush();
                    break;
                case EncoderOperation.End:
                    _gzip.Dispose();
                    if (!_written && _staging.IsEmpty)
                        _staging.Write(EmptyMember);
                    break;
            }
        }
    }

    /// <summary>Reads gzip members one after the other and, unlike <see cref="GZipStream"/>, tells a truncated file and trailing bytes from a whole one.</summary>
    private sealed class Decoder : ReadOnlyStream
    {
        private readonly Feed _feed;
        private readonly GZipStream _gzip;

        public Decoder(Stream source, bool leaveOpen)
        {
            _feed = new Feed(source, leaveOpen);
            _gzip = new GZipStream(_feed, CompressionMode.Decompress);
        }

        public override int Read(Span<byte> buffer)
        {
            try
            {
                var count = _gzip.Read(buffer);
                return count > 0 || buffer.IsEmpty ? count : CheckEnd();
            }
            catch (InvalidDataException damage)
            {
                throw Corrupt(damage);
            }
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                var count = await _gzip.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
                return count > 0 || buffer.IsEmpty ? count : CheckEnd();
            }
            catch (InvalidDataException damage)
            {
                throw Corrupt(damage);
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                _gzip.Dispose();
            base.Dispose(disposing);
        }

        private int CheckEnd() => _feed.State switch
        {
            FeedState.EndOffered => 0,
            FeedState.EndPassed => throw CorruptCompressedDataException.Truncated("gzip"),
            _ => throw CorruptCompressedDataException.TrailingBytes("gzip"),
        };

        private CorruptCompressedDataException Corrupt(InvalidDataException damage) => _feed.State == FeedState.EndPassed
            ? CorruptCompressedDataException.Truncated("gzip")
            : new CorruptCompressedDataException("gzip", "it holds what no encoder writes, or its checksum differs", damage);
    }

    /// <summary>How far <see cref="GZipStream"/> has asked for bytes.</summary>
    private enum FeedState
    {
        Reading,
        EndOffered,
        EndPassed,
    }

    /// <summary>Adds one zero byte behind the end of a gzip file.</summary>
    /// <remarks>
    /// <see cref="GZipStream"/> looks for another member after the end of one, finds that a zero byte starts none and stops.
    /// Inside an unfinished member it swallows the byte and asks again, which tells the truncated file; when it never asks for the byte,
    /// it stopped before the end and bytes follow that do not belong to the file.
    /// </remarks>
    private sealed class Feed(Stream source, bool leaveOpen) : ReadOnlyStream
    {
        public FeedState State { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            if (buffer.IsEmpty)
                return 0;
            var count = State == FeedState.Reading ? source.Read(buffer) : 0;
            return count > 0 ? count : OfferEnd(buffer);
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (buffer.IsEmpty)
                return 0;
            var count = State == FeedState.Reading ? await source.ReadAsync(buffer, cancellationToken).ConfigureAwait(false) : 0;
            return count > 0 ? count : OfferEnd(buffer.Span);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && !leaveOpen)
                source.Dispose();
            base.Dispose(disposing);
        }

        private int OfferEnd(Span<byte> buffer)
        {
            State = State == FeedState.Reading ? FeedState.EndOffered : FeedState.EndPassed;
            if (State == FeedState.EndPassed)
                return 0;
            buffer[0] = 0;
            return 1;
        }
    }
}
