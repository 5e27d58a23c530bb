using System.Globalization;
using System.Text;

namespace OmniPg.Extractor;

/// <summary>Turns object names into file-name parts that every file system takes and that a person can read back.</summary>
/// <remarks>
/// Letters, digits and the underscore stay, in every script; any other character becomes <c>,hex,</c> with its code point in lower-case
/// hexadecimal: <c>Mixed-Case</c> gives <c>Mixed,2d,Case</c>. That is the encoding of PG Extractor 2.x, so existing trees keep their names.
/// Beyond it, letters whose Unicode normal form differs are encoded too: file systems that normalise names cannot make two names of them.
/// Thread-safe; no result depends on culture or on the presence of ICU.
/// </remarks>
internal static class FileNameEncoder
{
    /// <summary>Encodes one name.</summary>
    /// <param name="name">The unquoted object name; unpaired surrogates are encoded like any other unusual character.</param>
    /// <returns>The encoded name; empty for an empty name.</returns>
    public static string Encode(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        var plain = 0;
        while (plain < name.Length && IsPlainAscii(name[plain]))
            plain++;
        return plain == name.Length ? name : EncodeFrom(name, plain);
    }

    /// <summary>Encodes the parts of a qualified name and joins them with dots.</summary>
    /// <param name="parts">Unquoted names; <see langword="null"/> or empty parts are left out.</param>
    /// <returns>For example <c>public.Mixed,2d,Case</c>.</returns>
    public static string EncodeQualified(params ReadOnlySpan<string?> parts)
    {
        var text = new StringBuilder();
        foreach (var part in parts)
        {
            if (string.IsNullOrEmpty(part))
                continue;
            if (text.Length > 0)
                text.Append('.');
            text.Append(Encode(part));
        }
        return text.ToString();
    }

    private static string EncodeFrom(string name, int plain)
    {
        var text = new StringBuilder(name, 0, plain, name.Length + 16);
        for (var at = plain; at < name.Length;)
        {
            if (Rune.TryGetRuneAt(name, at, out var rune))
            {
                if (IsWordCharacter(rune))
                    text.Append(name, at, rune.Utf16SequenceLength);
                else
                    AppendCode(text, rune.Value);
                at += rune.Utf16SequenceLength;
            }
            else
            {
                AppendCode(text, name[at++]);
            }
        }
        return text.ToString();
    }

    private static void AppendCode(StringBuilder text, int value) =>
        text.Append(',').Append(value.ToString("x2", CultureInfo.InvariantCulture)).Append(',');

    private static bool IsPlainAscii(char c) => char.IsAsciiLetterOrDigit(c) || c == '_';

    private static bool IsWordCharacter(Rune rune) => rune.IsAscii
        ? IsPlainAscii((char)rune.Value)
        : Rune.GetUnicodeCategory(rune) is UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter or UnicodeCategory.DecimalDigitNumber
            or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber
            && !UnstableLetters.Contains(rune.Value);

    /// <summary>Letters that Unicode normalisation (NFC) replaces by something else.</summary>
    /// <remarks>
    /// <c>string.Normalize</c> does nothing without ICU, and a tree must not depend on the machine that wrote it. Unicode promises that letters
    /// once stable under NFC remain so, hence the list is final for them.
    /// </remarks>
    private static class UnstableLetters
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
}
