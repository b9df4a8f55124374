// The lists of an asm statement of wgmma, which must name every accumulator, for 4 to 128 of them. AIOS_R<n> names n
// registers, "%0,...", AIOS_D<n>(C) gives them the elements of `d` with constraint C, and AIOS_BY_COLUMNS(X, ...) calls
// X(n, N, operands behind the accumulators..., ...) for every number of columns N = 2n that there is.
#pragma once

#define AIOS_R4 "%0,%1,%2,%3"
#define AIOS_R8 AIOS_R4 ",%4,%5,%6,%7"
#define AIOS_R12 AIOS_R8 ",%8,%9,%10,%11"
#define AIOS_R16 AIOS_R12 ",%12,%13,%14,%15"
#define AIOS_R20 AIOS_R16 ",%16,%17,%18,%19"
#define AIOS_R24 AIOS_R20 ",%20,%21,%22,%23"
#define AIOS_R28 AIOS_R24 ",%24,%25,%26,%27"
#define AIOS_R32 AIOS_R28 ",%28,%29,%30,%31"
#define AIOS_R36 AIOS_R32 ",%32,%33,%34,%35"
#define AIOS_R40 AIOS_R36 ",%36,%37,%38,%39"
#define AIOS_R44 AIOS_R40 ",%40,%41,%42,%43"
#define AIOS_R48 AIOS_R44 ",%44,%45,%46,%47"
#define AIOS_R52 AIOS_R48 ",%48,%49,%50,%51"
#define AIOS_R56 AIOS_R52 ",%52,%53,%54,%55"
#define AIOS_R60 AIOS_R56 ",%56,%57,%58,%59"
#define AIOS_R64 AIOS_R60 ",%60,%61,%62,%63"
#define AIOS_R68 AIOS_R64 ",%64,%65,%66,%67"
#define AIOS_R72 AIOS_R68 ",%68,%69,%70,%71"
#define AIOS_R76 AIOS_R72 ",%72,%73,%74,%75"
#define AIOS_R80 AIOS_R76 ",%76,%77,%78,%79"
#define AIOS_R84 AIOS_R80 ",%80,%81,%82,%83"
#define AIOS_R88 AIOS_R84 ",%84,%85,%86,%87"
#define AIOS_R92 AIOS_R88 ",%88,%89,%90,%91"
#define AIOS_R96 AIOS_R92 ",%92,%93,%94,%95"
#define AIOS_R100 AIOS_R96 ",%96,%97,%98,%99"
#define AIOS_R104 AIOS_R100 ",%100,%101,%102,%103"
#define AIOS_R108 AIOS_R104 ",%104,%105,%106,%107"
#define AIOS_R112 AIOS_R108 ",%108,%109,%110,%111"
#define AIOS_R116 AIOS_R112 ",%112,%113,%114,%115"
#define AIOS_R120 AIOS_R116 ",%116,%117,%118,%119"
#define AIOS_R124 AIOS_R120 ",%120,%121,%122,%123"
#define AIOS_R128 AIOS_R124 ",%124,%125,%126,%127"

#define AIOS_D(C, i) C(d[i]), C(d[i + 1]), C(d[i + 2]), C(d[i + 3])
#define AIOS_D4(C) AIOS_D(C, 0)
#define AIOS_D8(C) AIOS_D4(C), AIOS_D(C, 4)
#define AIOS_D12(C) AIOS_D8(C), AIOS_D(C, 8)
#define AIOS_D16(C) AIOS_D12(C), AIOS_D(C, 12)
#define AIOS_D20(C) AIOS_D16(C), AIOS_D(C, 16)
#define AIOS_D24(C) AIOS_D20(C), AIOS_D(C, 20)
#define AIOS_D28(C) AIOS_D24(C), AIOS_D(C, 24)
#define AIOS_D32(C) AIOS_D28(C), AIOS_D(C, 28)
#define AIOS_D36(C) AIOS_D32(C), AIOS_D(C, 32)
#define AIOS_D40(C) AIOS_D36(C), AIOS_D(C, 36)
#define AIOS_D44(C) AIOS_D40(C), AIOS_D(C, 40)
#define AIOS_D48(C) AIOS_D44(C), AIOS_D(C, 44)
#define AIOS_D52(C) AIOS_D48(C), AIOS_D(C, 48)
#define AIOS_D56(C) AIOS_D52(C), AIOS_D(C, 52)
#define AIOS_D60(C) AIOS_D56(C), AIOS_D(C, 56)
#define AIOS_D64(C) AIOS_D60(C), AIOS_D(C, 60)
#define AIOS_D68(C) AIOS_D64(C), AIOS_D(C, 64)
#define AIOS_D72(C) AIOS_D68(C), AIOS_D(C, 68)
#define AIOS_D76(C) AIOS_D72(C), AIOS_D(C, 72)
#define AIOS_D80(C) AIOS_D76(C), AIOS_D(C, 76)
#define AIOS_D84(C) AIOS_D80(C), AIOS_D(C, 80)
#define AIOS_D88(C) AIOS_D84(C), AIOS_D(C, 84)
#define AIOS_D92(C) AIOS_D88(C), AIOS_D(C, 88)
#define AIOS_D96(C) AIOS_D92(C), AIOS_D(C, 92)
#define AIOS_D100(C) AIOS_D96(C), AIOS_D(C, 96)
#define AIOS_D104(C) AIOS_D100(C), AIOS_D(C, 100)
#define AIOS_D108(C) AIOS_D104(C), AIOS_D(C, 104)
#define AIOS_D112(C) AIOS_D108(C), AIOS_D(C, 108)
#define AIOS_D116(C) AIOS_D112(C), AIOS_D(C, 112)
#define AIOS_D120(C) AIOS_D116(C), AIOS_D(C, 116)
#define AIOS_D124(C) AIOS_D120(C), AIOS_D(C, 120)
#define AIOS_D128(C) AIOS_D124(C), AIOS_D(C, 124)

#define AIOS_BY_COLUMNS(X, ...)                                                                                        \
  X(4, 8, "%4", "%5", "%6", "%7", "%8", "%9", "%10", __VA_ARGS__)                                                      \
  X(8, 16, "%8", "%9", "%10", "%11", "%12", "%13", "%14", __VA_ARGS__)                                                 \
  X(12, 24, "%12", "%13", "%14", "%15", "%16", "%17", "%18", __VA_ARGS__)                                              \
  X(16, 32, "%16", "%17", "%18", "%19", "%20", "%21", "%22", __VA_ARGS__)                                              \
  X(20, 40, "%20", "%21", "%22", "%23", "%24", "%25", "%26", __VA_ARGS__)                                              \
  X(24, 48, "%24", "%25", "%26", "%27", "%28", "%29", "%30", __VA_ARGS__)                                              \
  X(28, 56, "%28", "%29", "%30", "%31", "%32", "%33", "%34", __VA_ARGS__)                                              \
  X(32, 64, "%32", "%33", "%34", "%35", "%36", "%37", "%38", __VA_ARGS__)                                              \
  X(36, 72, "%36", "%37", "%38", "%39", "%40", "%41", "%42", __VA_ARGS__)                                              \
  X(40, 80, "%40", "%41", "%42", "%43", "%44", "%45", "%46", __VA_ARGS__)                                              \
  X(44, 88, "%44", "%45", "%46", "%47", "%48", "%49", "%50", __VA_ARGS__)                                              \
  X(48, 96, "%48", "%49", "%50", "%51", "%52", "%53", "%54", __VA_ARGS__)                                              \
  X(52, 104, "%52", "%53", "%54", "%55", "%56", "%57", "%58", __VA_ARGS__)                                             \
  X(56, 112, "%56", "%57", "%58", "%59", "%60", "%61", "%62", __VA_ARGS__)                                             \
  X(60, 120, "%60", "%61", "%62", "%63", "%64", "%65", "%66", __VA_ARGS__)                                             \
  X(64, 128, "%64", "%65", "%66", "%67", "%68", "%69", "%70", __VA_ARGS__)                                             \
  X(68, 136, "%68", "%69", "%70", "%71", "%72", "%73", "%74", __VA_ARGS__)                                             \
  X(72, 144, "%72", "%73", "%74", "%75", "%76", "%77", "%78", __VA_ARGS__)                                             \
  X(76, 152, "%76", "%77", "%78", "%79", "%80", "%81", "%82", __VA_ARGS__)                                             \
  X(80, 160, "%80", "%81", "%82", "%83", "%84", "%85", "%86", __VA_ARGS__)                                             \
  X(84, 168, "%84", "%85", "%86", "%87", "%88", "%89", "%90", __VA_ARGS__)                                             \
  X(88, 176, "%88", "%89", "%90", "%91", "%92", "%93", "%94", __VA_ARGS__)                                             \
  X(92, 184, "%92", "%93", "%94", "%95", "%96", "%97", "%98", __VA_ARGS__)                                             \
  X(96, 192, "%96", "%97", "%98", "%99", "%100", "%101", "%102", __VA_ARGS__)                                          \
  X(100, 200, "%100", "%101", "%102", "%103", "%104", "%105", "%106", __VA_ARGS__)                                     \
  X(104, 208, "%104", "%105", "%106", "%107", "%108", "%109", "%110", __VA_ARGS__)                                     \
  X(108, 216, "%108", "%109", "%110", "%111", "%112", "%113", "%114", __VA_ARGS__)                                     \
  X(112, 224, "%112", "%113", "%114", "%115", "%116", "%117", "%118", __VA_ARGS__)                                     \
  X(116, 232, "%116", "%117", "%118", "%119", "%120", "%121", "%122", __VA_ARGS__)                                     \
  X(120, 240, "%120", "%121", "%122", "%123", "%124", "%125", "%126", __VA_ARGS__)                                     \
  X(124, 248, "%124", "%125", "%126", "%127", "%128", "%129", "%130", __VA_ARGS__)                                     \
  X(128, 256, "%128", "%129", "%130", "%131", "%132", "%133", "%134", __VA_ARGS__)
