using System.Buffers.Binary;

namespace OmniPg.Wal;

/// <summary>Finds the main data of a record without block references, which all records have that this package looks into (<c>DecodeXLogRecord</c> in <c>xlogreader.c</c>).</summary>
internal static class MainData
{
    private const byte LongData = 254;
    private const byte ShortData = 255;
    private const byte Origin = 253;
    private const byte TopLevelXid = 252;

    /// <summary>The main data, shorter than announced when <paramref name="body"/> is cut; empty when the record has block references or no main data.</summary>
    /// <param name="body">The bytes behind the record header.</param>
    public static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> body)
    {
        while (!body.IsEmpty)
        {
            switch (body[0])
            {
                case ShortData when body.Length >= 2:
                    return Cut(body[2..], body[1]);
                case LongData when body.Length >= 5:
                    return Cut(body[5..], BinaryPrimitives.ReadUInt32LittleEndian(body[1..]));
                case Origin when body.Length >= 3:
                    body = body[3..];
                    break;
                case TopLevelXid when body.Length >= 5:
                    body = body[5..];
                    break;
                default:
                    return default;
            }
        }

        return default;
    }

    private static ReadOnlySpan<byte> Cut(ReadOnlySpan<byte> data, uint length) => length < (uint)data.Length ? data[..(int)length] : data;
}
