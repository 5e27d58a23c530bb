using System.Buffers.Binary;

namespace OmniPg.Wal;

/// <summary>What an archive holds behind a gap: transactions and changes that were archived and cannot be had any more.</summary>
internal sealed class LostWork(IObjectStore archive)
{
    // htup.h and heapam_xlog.h; the three bits of the operation.
    private const int OperationMask = 0x70;
    private const int Insert = 0x00;
    private const int Delete = 0x10;
    private const int Update = 0x20;
    private const int HotUpdate = 0x40;
    private const int MultiInsert = 0x50;

    public long Transactions { get; private set; }

    public long Rows { get; private set; }

    public DateTimeOffset? LastCommit { get; private set; }

    public async Task ReadAsync(IReadOnlyList<List<WalArchivedFile>> segments, CancellationToken cancellationToken)
    {
        WalChainState? chain = null;
        foreach (var copies in segments)
        {
            WalValidationResult? read = null;
            await foreach (var record in SegmentRecords.ReadAsync(archive, copies, chain, s => read = s, includeData: true, cancellationToken).ConfigureAwait(false))
                Take(record);
            chain = read?.Next;
        }
    }

    private void Take(WalRecord record)
    {
        if (record.Detail is WalTransactionEnd { IsCommit: true } commit)
        {
            Transactions++;
            LastCommit = LastCommit > commit.Time ? LastCommit : commit.Time;
        }
        else if (record.Rmgr == RmgrId.Heap && (record.Info & OperationMask) is Insert or Delete or Update or HotUpdate)
        {
            Rows += BlockReferences.Read(record.Data.Span, record.PgMajor).IsUserRelation ? 1 : 0;
        }
        else if (record.Rmgr == RmgrId.Heap2 && (record.Info & OperationMask) == MultiInsert)
        {
            // xl_heap_multi_insert: flags, a byte of padding, ntuples.
            var found = BlockReferences.Read(record.Data.Span, record.PgMajor);
            if (found.IsUserRelation && found.MainLength >= 4 && found.MainLength <= record.Data.Length)
                Rows += BinaryPrimitives.ReadUInt16LittleEndian(record.Data.Span[(record.Data.Length - found.MainLength + 2)..]);
        }
    }

    /// <summary>The headers in front of a record's data (<c>xlogrecord.h</c>): which relation it is about, and how long its main data is.</summary>
    private readonly record struct BlockReferences(bool IsUserRelation, int MainLength)
    {
        private const byte LastBlockId = 32;
        private const byte ShortData = 255;
        private const byte LongData = 254;
        private const byte Origin = 253;
        private const byte TopLevelXid = 252;
        private const byte HasImage = 0x10;
        private const byte SameRelation = 0x80;
        private const byte HasHole = 0x01;
        private const int FirstNormalObjectId = 16384;
        private const int FirstWithCodecs = 15;

        public static BlockReferences Read(ReadOnlySpan<byte> data, int pgMajor)
        {
            var (isUser, at) = (false, 0);
            while (at < data.Length)
            {
                var id = data[at];
                switch (id)
                {
                    case ShortData when at + 1 < data.Length:
                        return new BlockReferences(isUser, data[at + 1]);
                    case LongData when at + 4 < data.Length:
                        return new BlockReferences(isUser, (int)BinaryPrimitives.ReadUInt32LittleEndian(data[(at + 1)..]));
                    case Origin:
                        at += 3;
                        break;
                    case TopLevelXid:
                        at += 5;
                        break;
                    case <= LastBlockId when at + 3 < data.Length:
                        at = Block(data, at, pgMajor, ref isUser);
                        break;
                    default:
                        return new BlockReferences(isUser, 0);
                }
            }

            return new BlockReferences(isUser, 0);
        }

        private static int Block(ReadOnlySpan<byte> data, int at, int pgMajor, ref bool isUser)
        {
            var flags = data[at + 1];
            at += 4;
            if ((flags & HasImage) != 0 && at + 4 < data.Length)
            {
                var image = data[at + 4];
                // Since 15 three bits name the codec, before one says that there is one (BKPIMAGE_COMPRESSED).
                var isCompressed = (image & (pgMajor >= FirstWithCodecs ? 0x1C : 0x02)) != 0;
                at += (image & HasHole) != 0 && isCompressed ? 7 : 5;
            }

            if ((flags & SameRelation) == 0 && at + 12 <= data.Length)
            {
                isUser |= BinaryPrimitives.ReadUInt32LittleEndian(data[(at + 8)..]) >= FirstNormalObjectId;
                at += 12;
            }

            return at + 4;
        }
    }
}
