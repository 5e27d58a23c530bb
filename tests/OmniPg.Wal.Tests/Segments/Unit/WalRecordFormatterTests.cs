using NpgsqlTypes;

namespace OmniPg.Wal.Tests.Segments;

public sealed class WalRecordFormatterTests
{
    private static readonly DateTimeOffset Noon = new DateTimeOffset(2026, 5, 1, 12, 0, 0, TimeSpan.Zero).AddMicroseconds(1);

    private static readonly WalRecord Plain = new()
    {
        Lsn = NpgsqlLogSequenceNumber.Parse("0/1500028"),
        Previous = NpgsqlLogSequenceNumber.Parse("0/14FFFE8"),
        TransactionId = 735,
        Rmgr = 11,
        Info = 0x10,
        TotalLength = 64,
    };

    [Fact]
    public void A_record_is_one_line_below_its_column_names()
    {
        WalRecordFormatter.Header.Should().Be(
            "lsn            prev                  xid rmgr              info                      len");
        WalRecordFormatter.Format(Plain).Should().Be(
            "0/1500028      0/14FFFE8             735 Btree             INSERT_UPPER               64");
    }

    [Fact]
    public void Columns_stay_apart_however_long_they_are()
    {
        var record = Plain with
        {
            Lsn = new NpgsqlLogSequenceNumber(ulong.MaxValue),
            Previous = new NpgsqlLogSequenceNumber(ulong.MaxValue),
            TransactionId = uint.MaxValue,
            Rmgr = 19,
            TotalLength = int.MaxValue,
        };

        WalRecordFormatter.Format(record).Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Should().Equal("FFFFFFFF/FFFFFFFF", "FFFFFFFF/FFFFFFFF", "4294967295", "ReplicationOrigin", "DROP", "2147483647");
    }

    [Theory]
    [InlineData(0, 0x40, "XLOG SWITCH")]
    [InlineData(0, 0xC0, "XLOG 0xC0")]
    [InlineData(1, 0x80, "Transaction COMMIT")]
    [InlineData(1, 0x30, "Transaction COMMIT_PREPARED")]
    [InlineData(10, 0x80, "Heap INSERT+INIT")]
    [InlineData(10, 0x40, "Heap HOT_UPDATE")]
    [InlineData(4, 0x10, "Database 0x10")]
    [InlineData(9, 0x10, "Heap2 0x10")]
    [InlineData(9, 0xD0, "Heap2 MULTI_INSERT+INIT")]
    [InlineData(11, 0x80, "Btree UNLINK_PAGE")]
    [InlineData(17, 0x90, "BRIN INSERT+INIT")]
    [InlineData(21, 0x00, "LogicalMessage MESSAGE")]
    [InlineData(22, 0x10, "rmgr22 0x10")]
    [InlineData(128, 0x10, "custom128 0x10")]
    [InlineData(255, 0x10, "custom255 0x10")]
    public void Resource_manager_and_operation_have_names(byte rmgr, byte info, string expected)
    {
        var words = WalRecordFormatter.Format(Plain with { Rmgr = rmgr, Info = info }).Split(' ', StringSplitOptions.RemoveEmptyEntries);

        $"{words[3]} {words[4]}".Should().Be(expected);
    }

    public static TheoryData<WalRecordDetail, string> Details => new()
    {
        { new WalTransactionEnd { IsCommit = true, TransactionId = 735, Time = Noon }, "2026-05-01T12:00:00.000001Z" },
        { new WalTransactionEnd { IsPrepared = true, TransactionId = 735, Time = Noon }, "2026-05-01T12:00:00.000001Z xid 735" },
        { new WalTransactionEnd { IsPrepared = true, TransactionId = 735, Time = Noon, PreparedName = "a b" }, "2026-05-01T12:00:00.000001Z xid 735 'a b'" },
        { new WalRestorePoint("before\n\u007F\u0085release", Noon), @"2026-05-01T12:00:00.000001Z 'before\x0A\x7F\x85release'" },
        { new WalCheckpoint(true, NpgsqlLogSequenceNumber.Parse("0/28"), 2, 1), "redo 0/28 timeline 2" },
        { new WalEndOfRecovery(Noon, 2, 1), "2026-05-01T12:00:00.000001Z timeline 1 to 2" },
        { new WalBackupEnd(NpgsqlLogSequenceNumber.Parse("0/28")), "started at 0/28" },
        { new WalOverwrittenRecord(NpgsqlLogSequenceNumber.Parse("0/28")), "gives up 0/28" },
    };

    [Theory]
    [MemberData(nameof(Details))]
    public void Details_follow_the_columns(WalRecordDetail detail, string expected)
    {
        var line = WalRecordFormatter.Format(Plain with { Detail = detail });

        line.Should().StartWith(WalRecordFormatter.Format(Plain) + " ").And.EndWith(expected);
        line[(WalRecordFormatter.Format(Plain).Length + 1)..].Should().Be(expected);
    }
}
