using System.Globalization;
using System.Text;

namespace OmniPg.Wal;

/// <summary>Text form of records: one line each, columns separated by blanks, no line breaks inside.</summary>
public static class WalRecordFormatter
{
    /// <summary>Names of the columns, aligned like the lines of <see cref="Format"/>.</summary>
    public static string Header { get; } = Line("lsn", "prev", "xid", "rmgr", "info", "len", "");

    /// <summary>One record as <c>lsn prev xid rmgr info len</c>, then its detail if it has one.</summary>
    /// <param name="record">The record.</param>
    /// <returns>The line, without line break. <c>info</c> is the name of the operation where it is known, else the flag byte in hexadecimal.</returns>
    public static string Format(in WalRecord record) => Line(
        record.Lsn.ToString(),
        record.Previous.ToString(),
        record.TransactionId.ToString(CultureInfo.InvariantCulture),
        record.RmgrName,
        WalRmgr.OperationOf(record.Rmgr, record.Info, record.PgMajor) ?? $"0x{record.Info:X2}",
        record.TotalLength.ToString(CultureInfo.InvariantCulture),
        Describe(record.Detail));

    private static string Line(string lsn, string previous, string xid, string rmgr, string info, string length, string detail) =>
        string.Create(CultureInfo.InvariantCulture, $"{lsn,-14} {previous,-14} {xid,10} {rmgr,-17} {info,-20} {length,8} {detail}").TrimEnd();

    private static string Describe(WalRecordDetail? detail) => detail switch
    {
        WalTransactionEnd { PreparedName: { } name } end => $"{Time(end.Time)} xid {end.TransactionId} '{Escape(name)}'",
        WalTransactionEnd { IsPrepared: true } end => $"{Time(end.Time)} xid {end.TransactionId}",
        WalTransactionEnd end => Time(end.Time),
        WalRestorePoint point => $"{Time(point.Time)} '{Escape(point.Name)}'",
        WalCheckpoint checkpoint => $"redo {checkpoint.Redo} timeline {checkpoint.Timeline}",
        WalEndOfRecovery end => $"{Time(end.Time)} timeline {end.PreviousTimeline} to {end.Timeline}",
        WalBackupEnd end => $"started at {end.StartLsn}",
        WalOverwrittenRecord overwritten => $"gives up {overwritten.Lsn}",
        _ => "",
    };

    private static string Time(DateTimeOffset time) => time.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    // Names come from users: a line break in one must not make a second line.
    private static string Escape(string text)
    {
        var escaped = new StringBuilder(text.Length + 8);
        foreach (var character in text)
        {
            _ = char.IsControl(character) ? escaped.Append(CultureInfo.InvariantCulture, $"\\x{(int)character:X2}") : escaped.Append(character);
        }

        return escaped.ToString();
    }
}
