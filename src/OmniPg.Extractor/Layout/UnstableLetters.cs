namespace OmniPg.Extractor.Layout;

/// <summary>Letters that Unicode normalisation (NFC) replaces by something else.</summary>
/// <remarks>
/// <c>string.Normalize</c> does nothing without ICU, and a tree must not depend on the machine that wrote it. Unicode promises that letters
/// once stable under NFC remain so, hence the list is final for them.
/// </remarks>
internal static class UnstableLetters
{
    // Singletons and composition exclusions; whole blocks where nearly every member is one.
    private static readonly (int First, int Last)[] Ranges =
    [
        (0x0374, 0x0374), (0x0958, 0x095F), (0x09DC, 0x09DF), (0x0A33, 0x0A36), (0x0A59, 0x0A5E), (0x0B5C, 0x0B5D),
        (0x0F43, 0x0F43), (0x0F4D, 0x0F4D), (0x0F52, 0x0F52), (0x0F57, 0x0F57), (0x0F5C, 0x0F5C), (0x0F69, 0x0F69),
        (0x1100, 0x11FF), // conjoining jamo compose to syllables
        (0x1F71, 0x1F71), (0x1F73, 0x1F73), (0x1F75, 0x1F75), (0x1F77, 0x1F77), (0x1F79, 0x1F79), (0x1F7B, 0x1F7B), (0x1F7D, 0x1F7D),
        (0x1FBB, 0x1FBB), (0x1FBE, 0x1FBE), (0x1FC9, 0x1FC9), (0x1FCB, 0x1FCB), (0x1FD3, 0x1FD3), (0x1FDB, 0x1FDB), (0x1FE3, 0x1FE3),
        (0x1FEB, 0x1FEB), (0x1FF9, 0x1FF9), (0x1FFB, 0x1FFB),
        (0x2126, 0x2126), (0x212A, 0x212B), (0xF900, 0xFAFF), (0xFB1D, 0xFB4E), (0x2F800, 0x2FA1F),
    ];

    public static bool Contains(int codePoint)
    {
        if (codePoint < Ranges[0].First)
            return false;
        foreach (var (first, last) in Ranges)
        {
            if (codePoint <= last)
                return codePoint >= first;
        }
        return false;
    }
}
