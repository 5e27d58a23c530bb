namespace OmniPg.Extractor.Tests.Fuzzing;

/// <summary>Damages bytes in the ways files get damaged, and in those that hurt parsers most.</summary>
internal static class Mutation
{
    private static readonly byte[] Edges = [0, 1, 2, 3, 4, 0x7F, 0x80, 0xFE, 0xFF];

    public static byte[] Of(byte[] original, Random random)
    {
        var bytes = new List<byte>(original);
        for (var count = 1 + random.Next(4); count > 0 && bytes.Count > 8; count--)
            Apply(bytes, random);
        return [.. bytes];
    }

    private static void Apply(List<byte> bytes, Random random)
    {
        // Half of all damage goes to the header and the first entries, where everything hangs together.
        var at = random.Next(2) == 0 ? random.Next(Math.Min(bytes.Count, 400)) : random.Next(bytes.Count);
        var length = Math.Min(1 + random.Next(40), bytes.Count - at);
        switch (random.Next(8))
        {
            case 0 or 1:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 2 or 3:
                bytes[at] = Edges[random.Next(Edges.Length)];
                break;
            case 4:
                bytes.RemoveRange(at, length);
                break;
            case 5:
                bytes.InsertRange(at, bytes.GetRange(at, length));
                break;
            case 6:
                for (var i = 0; i < Math.Min(length, 5); i++)
                    bytes[at + i] = (byte)random.Next(256);
                break;
            default:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
        }
    }
}
