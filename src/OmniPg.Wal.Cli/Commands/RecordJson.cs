using System.Buffers;
using System.Text;
using System.Text.Json;

namespace OmniPg.Wal.Cli;

/// <summary>One record as one JSON object on one line.</summary>
internal static class RecordJson
{
    public static string Format(in WalRecord record)
    {
        var buffer = new ArrayBufferWriter<byte>(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("lsn", record.Lsn.ToString());
            json.WriteString("prev", record.Previous.ToString());
            json.WriteNumber("xid", record.TransactionId);
            json.WriteString("rmgr", record.RmgrName);
            json.WriteNumber("info", record.Info);
            json.WriteNumber("len", record.TotalLength);
            WriteDetail(json, record.Detail);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteDetail(Utf8JsonWriter json, WalRecordDetail? detail)
    {
        switch (detail)
        {
            case WalTransactionEnd end:
                json.WriteString("time", end.Time);
                break;
            case WalRestorePoint point:
                json.WriteString("time", point.Time);
                json.WriteString("restorePoint", point.Name);
                break;
        }
    }
}
